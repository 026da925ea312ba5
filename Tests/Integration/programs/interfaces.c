/* Prints the interfaces as each function and request tells of them. */
#include "common.h"
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>

static void address(const char *what, const struct sockaddr *address) {
    if (address == NULL) {
        printf(" %s -", what);
        return;
    }
    char text[INET6_ADDRSTRLEN] = "";
    if (address->sa_family == AF_PACKET) {
        const struct sockaddr_ll *link = (const void *)address;
        printf(" %s link %d type %d:", what, link->sll_ifindex, link->sll_hatype);
        for (int i = 0; i < link->sll_halen; i++)
            printf("%02x", link->sll_addr[i]);
        return;
    }
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text);
    else
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text, sizeof text);
    printf(" %s %s", what, text);
    if (address->sa_family == AF_INET6)
        printf("%%%u", ((const struct sockaddr_in6 *)address)->sin6_scope_id);
}

static void list(void) {
    struct ifaddrs *all;
    CHECK(getifaddrs(&all));
    for (struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        printf("%s flags %x", one->ifa_name, one->ifa_flags);
        address("address", one->ifa_addr);
        address("mask", one->ifa_netmask);
        address("to", one->ifa_broadaddr);
        printf(" data %d\n", one->ifa_data != NULL);
    }
    freeifaddrs(all);
}

static void request(int fd, const char *name, const char *what, unsigned long number) {
    struct ifreq one = {0};
    strcpy(one.ifr_name, name);
    if (ioctl(fd, number, &one) < 0) {
        printf("%s %s: %s\n", name, what, strerror(errno));
        return;
    }
    printf("%s %s %s", name, what, one.ifr_name);
    for (size_t i = 0; i < 16; i++)
        printf(" %02x", ((unsigned char *)&one.ifr_ifru)[i]);
    printf("\n");
}

static void requests(int type) {
    int fd = CHECK(socket(AF_INET, type, 0));
    char room[4096];
    struct ifconf all = {.ifc_len = 0, .ifc_buf = NULL};
    CHECK(ioctl(fd, SIOCGIFCONF, &all));
    printf("needs %d\n", all.ifc_len);
    for (int size = sizeof room; size > 0; size -= (int)sizeof room - 50) {
        all = (struct ifconf){.ifc_len = size, .ifc_buf = room};
        CHECK(ioctl(fd, SIOCGIFCONF, &all));
        printf("has %d:", all.ifc_len);
        for (int i = 0; i < all.ifc_len / (int)sizeof(struct ifreq); i++) {
            printf(" %s", all.ifc_req[i].ifr_name);
            address("", &all.ifc_req[i].ifr_addr);
        }
        printf("\n");
    }
    struct if_nameindex *names = if_nameindex();
    for (struct if_nameindex *one = names; one->if_index != 0; one++) {
        char name[IF_NAMESIZE];
        printf("%u %s %u %s\n", one->if_index, one->if_name, if_nametoindex(one->if_name),
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
    printf("no name: %u", if_nametoindex("none0"));
    printf(" %s\n", strerror(errno));
    errno = 0;
    printf("no index: %d", if_indextoname(4711, name) == NULL);
    printf(" %s\n", strerror(errno));
    errno = 0;
    printf("too long: %u", if_nametoindex("a-name-of-more-than-sixteen"));
    printf(" %s\n", strerror(errno));
    return 0;
}
