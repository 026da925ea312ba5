/* Prints the interfaces as each function and request tells of them. */
#include "common.h"
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>

static void address(const char *what, const struct sockaddr *address) {
    if (address == NULL) {
        print(" %s -", what);
        return;
    }
    char text[INET6_ADDRSTRLEN] = "";
    if (address->sa_family == AF_PACKET) {
        const struct sockaddr_ll *link = (const void *)address;
        print(" %s link %d type %d:", what, link->sll_ifindex, link->sll_hatype);
        for (int i = 0; i < link->sll_halen; i++)
            print("%02x", link->sll_addr[i]);
        return;
    }
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text);
    else
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text, sizeof text);
    print(" %s %s", what, text);
    if (address->sa_family == AF_INET6)
        print("%%%u", ((const struct sockaddr_in6 *)address)->sin6_scope_id);
}

static void list(void) {
    struct ifaddrs *all;
    must("getifaddrs", getifaddrs(&all));
    for (struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        print("%s flags %x", one->ifa_name, one->ifa_flags);
        address("address", one->ifa_addr);
        address("mask", one->ifa_netmask);
        address("to", one->ifa_broadaddr);
        print(" data %d\n", one->ifa_data != NULL);
    }
    freeifaddrs(all);
}

static void request(int fd, const char *name, const char *what, unsigned long number) {
    struct ifreq one = {0};
    strcpy(one.ifr_name, name);
    if (ioctl(fd, number, &one) < 0) {
        print("%s %s: %s\n", name, what, strerror(errno));
        return;
    }
    print("%s %s %s", name, what, one.ifr_name);
    for (size_t i = 0; i < 16; i++)
        print(" %02x", ((unsigned char *)&one.ifr_ifru)[i]);
    print("\n");
}

static void requests(int type) {
    int fd = must("socket", socket(AF_INET, type, 0));
    char room[4096];
    struct ifconf all = {.ifc_len = 0, .ifc_buf = NULL};
    must("SIOCGIFCONF", ioctl(fd, SIOCGIFCONF, &all));
    print("needs %d\n", all.ifc_len);
    for (int size = sizeof room; size > 0; size -= (int)sizeof room - 50) {
        all = (struct ifconf){.ifc_len = size, .ifc_buf = room};
        must("SIOCGIFCONF", ioctl(fd, SIOCGIFCONF, &all));
        print("has %d:", all.ifc_len);
        for (int i = 0; i < all.ifc_len / (int)sizeof(struct ifreq); i++) {
            print(" %s", all.ifc_req[i].ifr_name);
            address("", &all.ifc_req[i].ifr_addr);
        }
        print("\n");
    }
    struct if_nameindex *names = if_nameindex();
    for (struct if_nameindex *one = names; one->if_index != 0; one++) {
        char name[IF_NAMESIZE];
        print("%u %s %u %s\n", one->if_index, one->if_name, if_nametoindex(one->if_name),
            if_indextoname(one->if_index, name));
        request(fd, one->if_name, "flags", SIOCGIFFLAGS);
        request(fd, one->if_name, "address", SIOCGIFADDR);
        request(fd, one->if_name, "destination", SIOCGIFDSTADDR);
        request(fd, one->if_name, "broadcast", SIOCGIFBRDADDR);
        request(fd, one->if_name, "mask", SIOCGIFNETMASK);
        request(fd, one->if_name, "metric", SIOCGIFMETRIC);
        request(fd, one->if_name, "MTU", SIOCGIFMTU);
        request(fd, one->if_name, "hardware", SIOCGIFHWADDR);
        request(fd, one->if_name, "index", SIOCGIFINDEX);
        request(fd, one->if_name, "queue", SIOCGIFTXQLEN);
        request(fd, one->if_name, "map", SIOCGIFMAP);
    }
    if_freenameindex(names);
    request(fd, "none0", "index", SIOCGIFINDEX);
    request(fd, "none0", "flags", SIOCGIFFLAGS);
    close(fd);
}

int main(void) {
    list();
    requests(SOCK_STREAM);
    char name[IF_NAMESIZE];
    errno = 0;
    print("no name: %u", if_nametoindex("none0"));
    print(" %s\n", strerror(errno));
    errno = 0;
    print("no index: %d", if_indextoname(4711, name) == NULL);
    print(" %s\n", strerror(errno));
    errno = 0;
    print("too long: %u", if_nametoindex("a-name-of-more-than-sixteen"));
    print(" %s\n", strerror(errno));
    return done();
}
