// Whose interfaces a program sees: those that its sockets use.
#include "cases.h"
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>

int main(void) {
    struct ifaddrs *list = NULL;
    say("getifaddrs", getifaddrs(&list));
    for (struct ifaddrs *each = list; each; each = each->ifa_next) {
        if (!each->ifa_addr || strcmp(each->ifa_name, "lo") != 0 || each->ifa_addr->sa_family != AF_INET) continue;
        print("lo: up %d loopback %d %s\n", (each->ifa_flags & IFF_UP) != 0, (each->ifa_flags & IFF_LOOPBACK) != 0,
              inet_ntoa(((struct sockaddr_in *)each->ifa_addr)->sin_addr));
    }
    freeifaddrs(list);
    unsigned index = if_nametoindex("lo");
    char name[IF_NAMESIZE];
    print("if_nametoindex: %u, if_indextoname: %s\n", index, if_indextoname(index, name) ? name : "none");
    struct if_nameindex *names = if_nameindex();
    int count = 0, has = 0;
    for (struct if_nameindex *each = names; each && each->if_index; each++, count++)
        has |= strcmp(each->if_name, "lo") == 0;
    print("if_nameindex: %s\n", has ? "has lo" : "has not");
    if_freenameindex(names);
    print("no such: %u\n", if_nametoindex("nosuch0"));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct ifreq request = {.ifr_name = "lo"};
    say("SIOCGIFFLAGS", ioctl(fd, SIOCGIFFLAGS, &request));
    print("lo is %s\n", request.ifr_flags & IFF_UP ? "up" : "down");
    say("SIOCGIFADDR", ioctl(fd, SIOCGIFADDR, &request));
    print("%s\n", inet_ntoa(((struct sockaddr_in *)&request.ifr_addr)->sin_addr));
    say("SIOCGIFINDEX", ioctl(fd, SIOCGIFINDEX, &request));
    print("same index: %d\n", (unsigned)request.ifr_ifindex == index);
    say("SIOCGIFMTU", ioctl(fd, SIOCGIFMTU, &request));
    print("mtu %d\n", request.ifr_mtu);
    return done();
}
