// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright the cairn authors

/*
 * M-mode program for the emulated VisionFive 2: drives MMC1 correctly in the
 * ways that Linux and U-Boot do not, then wrongly, and checks that every
 * mistake shows up in the hardware's own error bits.
 */
#include <stdint.h>
#include <stddef.h>
#include <stdarg.h>

typedef uint32_t u32; typedef uint64_t u64; typedef uint8_t u8;
#define R(a) (*(volatile u32 *)(uintptr_t)(a))
#define UART 0x10000000
#define CRG  0x13020000
#define MMC  0x16020000
#define PLIC 0x0c000000
#define MTIME (*(volatile u64 *)0x0200bff8)

enum { CTRL = 0, PWREN = 4, CLKDIV = 8, CLKSRC = 0xc, CLKENA = 0x10, TMOUT = 0x14,
       CTYPE = 0x18, BLKSIZ = 0x1c, BYTCNT = 0x20, INTMASK = 0x24, CMDARG = 0x28,
       CMD = 0x2c, RESP0 = 0x30, RESP1 = 0x34, RESP2 = 0x38, RESP3 = 0x3c, MINTSTS = 0x40,
       RINTSTS = 0x44, STATUS = 0x48, FIFOTH = 0x4c, CDETECT = 0x50, TCBCNT = 0x5c,
       TBBCNT = 0x60, VERID = 0x6c, HCON = 0x70, BMOD = 0x80, PLDMND = 0x84, DBADDR = 0x88,
       IDSTS = 0x8c, IDINTEN = 0x90, DSCADDR = 0x94, FIFO = 0x200 };
enum { RE = 2, CDONE = 4, DTO = 8, TXDR = 16, RXDR = 32, RCRC = 64, DCRC = 128, RTO = 256,
       DRTO = 512, HTO = 1024, FRUN = 2048, HLE = 4096, ACD = 1 << 14, EBE = 1 << 15 };
enum { TI = 1, RI = 2, FBE = 4, DU = 16, CES = 32, NIS = 256, AIS = 512 };
#define START (1u << 31)
#define HOLD  (1u << 29)
#define UPD   (1u << 21)
#define INIT  (1u << 15)
#define ABORT (1u << 14)
#define WAIT  (1u << 13)
#define ASTOP (1u << 12)
#define WRITE (1u << 10)
#define DATA  (1u << 9)
#define CRC   (1u << 8)
#define LONG  (1u << 7)
#define RESP  (1u << 6)
#define OWN (1u << 31)
#define ER 32
#define CH 16
#define FD 8
#define LD 4
#define DIC 2

static void putc_(char c) { while (!(R(UART + 5 * 4) & 0x20)); R(UART) = c; }
static void puts_(const char *s) { while (*s) { if (*s == '\n') putc_('\r'); putc_(*s++); } }
static void hex(u32 v) { for (int i = 28; i >= 0; i -= 4) putc_("0123456789abcdef"[v >> i & 15]); }
static int fails, runs;
void trapped(u64 cause, u64 pc, u64 tval)
{ puts_("TRAP cause "); hex(cause); puts_(" pc "); hex(pc); puts_(" tval "); hex(tval); puts_("\n"); for (;;); }

void *memset(void *d, int c, size_t n) { u8 *p = d; while (n--) *p++ = c; return d; }
int memcmp(const void *a, const void *b, size_t n)
{ const u8 *p = a, *q = b; for (; n--; p++, q++) if (*p != *q) return *p - *q; return 0; }

static u32 rd(u32 o) { return R(MMC + o); }
static void wr(u32 o, u32 v) { R(MMC + o) = v; }
static void udelay(u32 us) { u64 t = MTIME + us * 4; while (MTIME < t); }
static int poll(u32 o, u32 mask, u32 want, u32 ms)
{
    u64 t = MTIME + (u64)ms * 4000;
    while ((rd(o) & mask) != want) if (MTIME > t) return 0;
    return 1;
}
/* check: (value & mask) == want */
static void check(const char *what, u32 v, u32 mask, u32 want)
{
    int ok = (v & mask) == want;
    runs++; fails += !ok;
    puts_(ok ? "PASS " : "FAIL "); puts_(what); puts_(": "); hex(v);
    if (!ok) { puts_(" mask "); hex(mask); puts_(" want "); hex(want); }
    puts_("\n");
}
static void clock(u32 div, u32 en)
{
    wr(CLKENA, 0); wr(CMD, START | UPD | WAIT); poll(CMD, START, 0, 100);
    wr(CLKDIV, div); wr(CLKSRC, 0); wr(CMD, START | UPD | WAIT); poll(CMD, START, 0, 100);
    wr(CLKENA, en); wr(CMD, START | UPD | WAIT); poll(CMD, START, 0, 100);
}
static u32 cur_div;
static u32 cmd(u32 idx, u32 arg, u32 flags)
{
    poll(STATUS, 1 << 9, 0, 500);
    wr(RINTSTS, ~0u); wr(CMDARG, arg);
    wr(CMD, START | HOLD | idx | flags);
    poll(RINTSTS, CDONE, CDONE, 100);
    return rd(RINTSTS);
}
#define R1 (RESP | CRC | WAIT)
static u32 rca;
static int card_init(int width4)
{
    int i;
    wr(CTRL, 7); if (!poll(CTRL, 7, 0, 10)) return -1;
    wr(PWREN, 1); wr(INTMASK, 0); wr(TMOUT, 0x010000ff); wr(CTYPE, 0);
    wr(FIFOTH, 2 << 28 | 15 << 16 | 16); wr(BMOD, 1); wr(IDINTEN, 0);
    clock(62, 1);
    cmd(0, 0, INIT);
    if (cmd(8, 0x1aa, R1) & (RTO | RCRC)) return -2;
    for (i = 0; i < 100; i++) {
        cmd(55, 0, R1); cmd(41, 0x40ff8000, RESP | WAIT);
        if (rd(RESP0) & START) break;
    }
    if (cmd(2, 0, RESP | LONG | CRC | WAIT) & RTO) return -3;
    cmd(3, 0, R1); rca = rd(RESP0) & 0xffff0000;
    if (cmd(7, rca, R1) & RTO) return -4;
    cur_div = 1; clock(1, 1);
    cmd(16, 512, R1);
    if (width4) { cmd(55, rca, R1); cmd(6, 2, R1); wr(CTYPE, 1); }
    return 0;
}
static void recover(void)
{
    wr(CTRL, 7); poll(CTRL, 7, 0, 10); clock(cur_div, 1);
    cmd(12, 0, RESP | ABORT); udelay(200);
    wr(RINTSTS, ~0u); wr(BMOD, 1); wr(IDSTS, 0x337); wr(BLKSIZ, 512);
    wr(CTRL, 3); poll(CTRL, 7, 0, 10); clock(cur_div, 1);
    wr(RINTSTS, ~0u);
}

struct desc { volatile u32 d0, d1, d2, d3; } __attribute__((aligned(16)));
static struct desc ring[64];
static u8 a[65536] __attribute__((aligned(64))), b[65536] __attribute__((aligned(64)));
#define PA(x) ((u32)(uintptr_t)(x))

static void chain(u8 *buf, u32 bytes, u32 per)
{
    u32 i, n = (bytes + per - 1) / per;
    for (i = 0; i < n; i++) {
        ring[i].d0 = OWN | CH | (i ? 0 : FD) | (i == n - 1 ? LD : DIC);
        ring[i].d1 = i == n - 1 ? bytes - i * per : per;
        ring[i].d2 = PA(buf + i * per); ring[i].d3 = PA(&ring[i + 1]);
    }
}
static void dma_on(void)
{
    wr(CTRL, 2); poll(CTRL, 7, 0, 10);
    wr(CTRL, 1 << 25 | 1 << 5); wr(BMOD, 1 << 7 | 2); wr(IDSTS, 0x337); wr(DBADDR, PA(ring));
}
static void dma_off(void) { wr(CTRL, 2); poll(CTRL, 7, 0, 10); wr(BMOD, 0); }
static u32 start_data(u32 idx, u32 lba, u32 bytes, u32 flags)
{
    wr(BLKSIZ, 512); wr(BYTCNT, bytes);
    /* byte addressed test card */
    return cmd(idx, lba * 512, R1 | DATA | flags);
}
static u32 finish(u32 ms) { poll(RINTSTS, DTO, DTO, ms); return rd(RINTSTS); }
#define ERRS (RE | RCRC | DCRC | RTO | DRTO | HTO | FRUN | HLE | EBE)

static void pattern(u8 *p, u32 n, u32 seed) { while (n--) { seed = seed * 1664525 + 1013904223; *p++ = seed >> 24; } }

static u32 pio_read(u8 *p, u32 bytes)
{
    u32 *w = (u32 *)p, n = bytes / 4, i = 0; u64 t = MTIME + 4000000;
    while (i < n && MTIME < t) {
        u32 c = rd(STATUS) >> 17 & 0x1fff;
        while (c-- && i < n) w[i++] = rd(FIFO);
    }
    return finish(200);
}
static u32 pio_write(const u8 *p, u32 bytes)
{
    const u32 *w = (const u32 *)p; u32 n = bytes / 4, i = 0; u64 t = MTIME + 4000000;
    while (i < n && MTIME < t) {
        u32 room = 32 - (rd(STATUS) >> 17 & 0x1fff);
        while (room-- && i < n) wr(FIFO, w[i++]);
    }
    return finish(200);
}

#define LBA 0x30000

void main(void)
{
    u32 v, i;

    puts_("misuse test\n");
    /* --- clocks and reset ------------------------------------------------ */
    check("gated biu clock reads 0 (log: bus would hang)", rd(VERID), ~0u, 0);
    R(CRG + 92 * 4) = START;
    check("VERID 290a", rd(VERID), 0xffff, 0x290a);
    wr(CTRL, 1); udelay(50);
    check("controller reset hangs without ciu clock", rd(CTRL), 1, 1);
    wr(CMD, START | UPD); udelay(50);
    check("start_cmd hangs without ciu clock", rd(CMD), START, START);
    R(CRG + 94 * 4) = START | 8;
    udelay(60); /* longer than the hand-over, 50 us, and the clock's grain */
    check("... and completes when the clock comes", rd(CMD), START, 0);
    check("controller reset completed", rd(CTRL), 1, 0);
    R(CRG + 0x300) |= 2;
    check("held in reset reads 0", rd(VERID), ~0u, 0);
    R(CRG + 0x300) &= ~2;
    check("FIFOTH after reset", rd(FIFOTH), ~0u, 31 << 16);

    /* --- commands --------------------------------------------------------- */
    check("card_init", card_init(1), ~0u, 0);
    cmd(0, 0, 0); cmd(8, 0x1aa, R1); cmd(55, 0, R1);
    check("ACMD41 with check_response_crc -> RCRC", cmd(41, 0x40ff8000, R1), RCRC | CDONE, RCRC | CDONE);
    check("re-init", card_init(1), ~0u, 0);
    wr(RINTSTS, ~0u); wr(CMDARG, rca);
    wr(CMD, START | HOLD | 13 | R1); wr(CMDARG, 0);
    check("CMDARG while start_cmd -> HLE", rd(RINTSTS), HLE, HLE);
    poll(RINTSTS, CDONE, CDONE, 100);
    wr(RINTSTS, ~0u); wr(CMDARG, rca);
    wr(CMD, START | HOLD | 13 | R1); wr(CMD, START | HOLD | 13 | R1);
    check("CMD while start_cmd -> HLE", rd(RINTSTS), HLE, HLE);
    poll(RINTSTS, CDONE, CDONE, 100); udelay(100);
    check("illegal command -> RTO", cmd(60, 0, R1), RTO | CDONE, RTO | CDONE);
    check("wrong RCA -> RTO", cmd(13, 0x12340000 ^ rca, R1), RTO | CDONE, RTO | CDONE);
    check("short answer, long expected -> RTO", cmd(13, rca, RESP | LONG | CRC | WAIT), RTO, RTO);
    clock(1, 0);
    check("card clock off -> RTO", cmd(13, rca, R1), RTO, RTO);
    clock(1, 1);
    check("CMD13 works again", cmd(13, rca, R1), ERRS | CDONE, CDONE);
    check("  state tran", rd(RESP0), 0x1e00, 0x800);

    /* --- correct data transfers that Linux and U-Boot do not use ----------- */
    pattern(a, sizeof a, 1);
    chain(a, 16384, 4096); dma_on(); wr(RINTSTS, ~0u);
    start_data(25, LBA, 16384, WRITE | ASTOP);
    check("IDMAC write, auto-stop", finish(500), ERRS | DTO, DTO);
    poll(RINTSTS, ACD, ACD, 100);
    check("  ACD", rd(RINTSTS), ACD, ACD);
    check("  CMD12 answer in RESP1", rd(RESP1), 0x1e00, 0xc00);
    check("  TI, no abnormal bits", rd(IDSTS), TI | RI | FBE | DU | CES, TI);
    check("  OWN cleared everywhere", ring[0].d0 | ring[1].d0 | ring[2].d0 | ring[3].d0, OWN, 0);
    check("  TCBCNT", rd(TCBCNT), ~0u, 16384);
    memset(b, 0, sizeof b);
    /* dual buffer descriptors in a ring: no CH, ER on the last */
    for (i = 0; i < 4; i++) {
        ring[i].d0 = OWN | (i ? 0 : FD) | (i == 3 ? LD | ER : DIC);
        ring[i].d1 = 2048 | 2048 << 13; ring[i].d2 = PA(b + i * 4096); ring[i].d3 = PA(b + i * 4096 + 2048);
    }
    dma_on();
    start_data(18, LBA, 16384, ASTOP);
    check("IDMAC read, dual buffer ring, auto-stop", finish(500), ERRS | DTO, DTO);
    poll(RINTSTS, ACD, ACD, 100);
    poll(IDSTS, RI, RI, 100);
    check("  RI, no abnormal bits", rd(IDSTS), TI | RI | FBE | DU | CES, RI);
    check("  data", memcmp(a, b, 16384), ~0u, 0);
    dma_off(); memset(b, 0, sizeof b);
    start_data(18, LBA, 16384, 0);
    check("PIO read", pio_read(b, 16384), ERRS | DTO, DTO);
    cmd(12, 0, RESP | CRC | ABORT);
    check("  data", memcmp(a, b, 16384), ~0u, 0);
    dma_off(); pattern(a, 8192, 7);
    start_data(25, LBA + 100, 8192, WRITE);
    v = pio_write(a, 8192); i = rd(STATUS);
    check("PIO write", v, ERRS | DTO, DTO);
    check("  data_busy after the write", i, 1 << 9, 1 << 9);
    cmd(12, 0, RESP | CRC | ABORT);
    memset(b, 0, sizeof b); chain(b, 8192, 512); dma_on();
    start_data(18, LBA + 100, 8192, ASTOP); finish(500); poll(RINTSTS, ACD, ACD, 100);
    check("  data read back by IDMAC, 16 descriptors", memcmp(a, b, 8192), ~0u, 0);
    dma_off();
    start_data(17, LBA, 512, 0); poll(RINTSTS, RXDR, RXDR, 2); poll(STATUS, 8, 8, 2);
    check("PIO single block: RXDR and a full FIFO", (rd(RINTSTS) & (RXDR | ERRS | DTO)) | (rd(STATUS) & 0x3ffe0000), ~0u, RXDR | 32 << 17);
    v = pio_read(b, 512);
    check("  finished", v, DTO | ERRS, DTO);

    /* --- interrupts through the PLIC --------------------------------------- */
    R(PLIC + 75 * 4) = 1; R(PLIC + 0x2000 + 0x80 + 8) |= 1 << 11; R(PLIC + 0x200000 + 0x1000) = 0;
    wr(RINTSTS, ~0u); wr(INTMASK, CDONE); wr(CTRL, 1 << 4);
    cmd(13, rca, R1);
    check("PLIC claim, context 1 (hart 1 M)", R(PLIC + 0x201004), ~0u, 75);
    R(PLIC + 0x201004) = 75;
    check("completed but not cleared at the source: pending again", R(PLIC + 0x201004), ~0u, 75);
    wr(RINTSTS, ~0u); R(PLIC + 0x201004) = 75;
    check("cleared at the source: quiet", R(PLIC + 0x201004), ~0u, 0);
    wr(CTRL, 0); cmd(13, rca, R1);
    check("CTRL.int_enable = 0: quiet", R(PLIC + 0x201004), ~0u, 0);
    wr(INTMASK, 0);
    chain(b, 4096, 4096); dma_on(); wr(CTRL, rd(CTRL) | 1 << 4);
    wr(IDINTEN, RI); start_data(18, LBA, 4096, ASTOP); finish(100); poll(RINTSTS, ACD, ACD, 100);
    check("IDINTEN without NI: NIS set but no interrupt", R(PLIC + 0x201004) | (rd(IDSTS) & NIS), ~0u, NIS);
    wr(IDINTEN, RI | NIS);
    check("with NI: interrupt", R(PLIC + 0x201004), ~0u, 75);
    wr(IDSTS, 0x337); R(PLIC + 0x201004) = 75; wr(IDINTEN, 0); dma_off();

    /* --- wrong data transfers ---------------------------------------------- */
    chain(b, 4096, 4096); ring[0].d0 &= ~OWN; dma_on();
    start_data(18, LBA, 4096, 0); udelay(500);
    check("first descriptor without OWN -> DU", rd(IDSTS), DU | RI, DU);
    memset(b, 0, 4096); ring[0].d0 |= OWN; wr(PLDMND, 1);
    check("  repaired, PLDMND: completes", finish(100), DTO | ERRS, DTO);
    cmd(12, 0, RESP | CRC | ABORT); recover();

    chain(b, 8192, 4096); ring[1].d0 &= ~OWN; dma_on();
    start_data(18, LBA, 8192, 0);
    check("second descriptor without OWN: starvation -> HTO", (poll(RINTSTS, HTO, HTO, 500), rd(RINTSTS)), HTO | DTO, HTO);
    check("  DU", rd(IDSTS), DU, DU);
    recover();

    chain(b, 4096, 4096); dma_on(); wr(DBADDR, 0x20000000);
    start_data(18, LBA, 4096, 0); udelay(500);
    check("descriptor outside RAM -> FBE", rd(IDSTS), FBE, FBE);
    recover();
    chain(b, 4096, 4096); ring[0].d2 = 0x20000000; dma_on();
    start_data(18, LBA, 4096, 0); udelay(500);
    check("buffer outside RAM -> FBE", rd(IDSTS), FBE, FBE);
    recover();
    chain(b, 4096, 4096); dma_on(); wr(BMOD, 2);
    start_data(18, LBA, 4096, 0);
    check("BMOD.DE = 0 -> HTO", (poll(RINTSTS, HTO, HTO, 500), rd(RINTSTS)), HTO | DTO, HTO);
    recover();
    chain(b, 2048, 2048); dma_on();
    start_data(18, LBA, 4096, 0);
    check("descriptors shorter than BYTCNT -> HTO", (poll(RINTSTS, HTO, HTO, 500), rd(RINTSTS)), HTO | DTO, HTO);
    recover();
    chain(a, 2048, 2048); dma_on();
    start_data(25, LBA + 300, 4096, WRITE);
    check("same for a write -> HTO", (poll(RINTSTS, HTO, HTO, 500), rd(RINTSTS)), HTO | DTO, HTO);
    recover();
    dma_off(); start_data(18, LBA, 1000, 0);
    check("BYTCNT no multiple of BLKSIZ -> DCRC", pio_read(b, 1000), DTO | DCRC, DTO | DCRC);
    recover();
    dma_off(); wr(BLKSIZ, 256); wr(BYTCNT, 512); cmd(17, LBA * 512, R1 | DATA);
    check("BLKSIZ 256 -> DCRC", finish(500), DTO | DCRC, DTO | DCRC);
    recover();
    dma_off(); start_data(17, LBA, 1024, 0);
    check("CMD17 with BYTCNT 1024 -> DRTO", pio_read(b, 1024), DTO | DRTO, DTO | DRTO);
    recover();
    dma_off(); start_data(24, LBA, 512, 0);
    check("CMD24 as a read -> DRTO", finish(3000), DTO | DRTO, DTO | DRTO);
    recover();
    dma_off(); start_data(17, LBA, 512, WRITE); pio_write(a, 512);
    check("CMD17 as a write -> EBE", rd(RINTSTS), DTO | EBE, DTO | EBE);
    recover();
    dma_off(); wr(CTYPE, 0); start_data(17, LBA, 512, 0);
    check("1 line on the host, 4 on the card -> DCRC", finish(500), DTO | DCRC, DTO | DCRC);
    wr(CTYPE, 1); recover();
    dma_off(); wr(RINTSTS, ~0u); v = rd(FIFO);
    check("read from the empty FIFO -> FRUN", rd(RINTSTS), FRUN, FRUN);
    wr(RINTSTS, ~0u); for (i = 0; i < 33; i++) wr(FIFO, i);
    check("33rd word into the FIFO -> FRUN", rd(RINTSTS), FRUN, FRUN);
    check("  FIFO full", rd(STATUS), 8, 8);
    dma_off(); start_data(18, LBA, 65536, 0);
    check("nobody reads the FIFO -> HTO", (poll(RINTSTS, HTO, HTO, 500), rd(RINTSTS)), HTO | RXDR | DTO, HTO | RXDR);
    recover();
    dma_off(); start_data(18, LBA, 4096, 0); pio_read(b, 4096);
    check("CMD18 without CMD12, then CMD17 -> RTO", cmd(17, 0, R1 | DATA), RTO, RTO);
    recover();
    check("alive: CMD13", cmd(13, rca, R1), ERRS | CDONE, CDONE);
    check("  state tran", rd(RESP0), 0x1e00, 0x800);
    chain(b, 16384, 4096); dma_on(); pattern(a, sizeof a, 1);
    start_data(18, LBA, 16384, ASTOP);
    check("alive: IDMAC read", finish(500), ERRS | DTO, DTO);
    check("  data", memcmp(a, b, 16384), ~0u, 0);

    puts_(fails ? "RESULT FAIL " : "RESULT PASS "); hex(runs - fails); puts_(" of "); hex(runs); puts_("\n");
    /* gpio-restart ends QEMU under -no-reboot */
    R(0x13040000 + 0x20) = 0; R(0x13040000 + 0x60) = 1u << 24;
    for (;;);
}
