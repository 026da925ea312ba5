/* Grants a page to a domain and waits until its standard input ends. */
#include <stdio.h>
#include <stdlib.h>
#include <xengnttab.h>

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    xengntshr_handle *share = xengntshr_open(NULL, 0);
    uint32_t reference;
    char *page = share ? xengntshr_share_pages(share, atoi(argv[1]), 1, &reference, 1) : NULL;
    if (!page) {
        perror("xengntshr");
        return 1;
    }
    snprintf(page, 4096, "from the guest");
    printf("%u\n", reference);
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return 0;
}
