/* Prints the CRC-32 (that of zip and Ethernet) of each file named, or of standard input. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t table[256];

static void make_table(void)
{
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t c = n;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
        table[n] = c;
    }
}

static int crc32(FILE *file, uint32_t *sum)
{
    static unsigned char buffer[1 << 16];
    uint32_t c = 0xffffffffu;
    size_t len;

    while ((len = fread(buffer, 1, sizeof buffer, file)) > 0)
        for (size_t i = 0; i < len; i++)
            c = table[(c ^ buffer[i]) & 0xff] ^ (c >> 8);
    *sum = c ^ 0xffffffffu;
    return ferror(file) ? -1 : 0;
}

int main(int argc, char **argv)
{
    uint32_t sum;
    int failed = 0;

    make_table();
    if (argc < 2) {
        if (crc32(stdin, &sum) < 0) {
            fprintf(stderr, "crc32: standard input: %s\n", strerror(errno));
            return 1;
        }
        printf("%08x\n", sum);
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file || crc32(file, &sum) < 0) {
            fprintf(stderr, "crc32: %s: %s\n", argv[i], strerror(errno));
            failed = 1;
        } else {
            printf("%08x  %s\n", sum, argv[i]);
        }
        if (file)
            fclose(file);
    }
    return failed;
}
