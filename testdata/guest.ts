/**
 * Guest programs: a few dozen instructions that give memory and registers a content worth testing.
 * They are our own, so that most streams contain no firmware; those of s390x, alpha and
 * sparc contain the firmware that QEMU loads there.
 *
 * @module
 */

const ROM_BYTES = 0x10000;
const RESET_VECTOR = 0xfff0;

/**
 * Fills memory below 1 MiB:
 *
 * | range             | content                                     |
 * |-------------------|---------------------------------------------|
 * | 0x10000..0x25fff  | every page full of its segment number       |
 * | 0x30000..0x31fff  | pseudo-random words, which don't compress   |
 * | everything else   | zero                                        |
 */
const FILL = `
            fa                    ; cli
            fc                    ; cld
            31 c0                 ; xor ax, ax
            8e d8                 ; mov ds, ax
            bb 00 10              ; mov bx, 0x1000
    fill:   8e c3                 ; mov es, bx
            89 d8                 ; mov ax, bx
            31 ff                 ; xor di, di
            b9 00 08              ; mov cx, 0x800
            f3 ab                 ; rep stosw
            81 c3 00 01           ; add bx, 0x100
            81 fb 00 26           ; cmp bx, 0x2600
            72 @fill              ; jb fill
            b8 00 30              ; mov ax, 0x3000
            8e c0                 ; mov es, ax
            31 ff                 ; xor di, di
            b9 00 10              ; mov cx, 0x1000
    noise:  ba 55 62              ; mov dx, 25173
            f7 e2                 ; mul dx
            05 19 36              ; add ax, 13849
            ab                    ; stosw
            e2 @noise             ; loop noise
            66 be 44 33 22 11     ; mov esi, 0x11223344
`;

/** Stops the processor. */
const HALT = `
    halt:   f4                    ; hlt
            eb @halt              ; jmp halt
`;

/** Waits for a key and writes nothing meanwhile. */
const WAIT = `
    wait:   e4 64                 ; in al, 0x64
            a8 01                 ; test al, 1
            74 @wait              ; jz wait
            e4 60                 ; in al, 0x60
`;

/** Gives the PCI device in slot 2 of bus 0 its memory at 0xfd000000, as a firmware would. */
const MAP_DEVICE = `
            66 b8 10 10 00 80     ; mov eax, 0x80001010 (BAR 0)
            ba f8 0c              ; mov dx, 0xcf8
            66 ef                 ; out dx, eax
            66 b8 00 00 00 fd     ; mov eax, 0xfd000000
            ba fc 0c              ; mov dx, 0xcfc
            66 ef                 ; out dx, eax
            66 b8 04 10 00 80     ; mov eax, 0x80001004 (command)
            ba f8 0c              ; mov dx, 0xcf8
            66 ef                 ; out dx, eax
            66 b8 02 00 00 00     ; mov eax, 2 (memory space)
            ba fc 0c              ; mov dx, 0xcfc
            66 ef                 ; out dx, eax
`;

/**
 * Writes for ever: a counter at 0x6000, some words in the pages 0x10000..0x23fff, and the page
 * 0x25000, which is all zero half of the time. A key makes the page 0x24000 zero and the
 * page 0x26000, zero until then, non-zero.
 */
const CHURN = `
    churn:  66 ff 06 00 60        ; inc dword [0x6000]
            66 a1 00 60           ; mov eax, [0x6000]
            bb 00 10              ; mov bx, 0x1000
    page:   8e c3                 ; mov es, bx
            89 c7                 ; mov di, ax
            81 e7 3e 00           ; and di, 0x3e
            26 89 05              ; mov es:[di], ax
            26 89 85 00 08        ; mov es:[di + 0x800], ax
            81 c3 00 01           ; add bx, 0x100
            81 fb 00 24           ; cmp bx, 0x2400
            72 @page              ; jb page
            bb 00 25              ; mov bx, 0x2500
            8e c3                 ; mov es, bx
            31 ff                 ; xor di, di
            b9 00 08              ; mov cx, 0x800
            a9 00 80              ; test ax, 0x8000
            75 @flip              ; jnz flip
            31 c0                 ; xor ax, ax
    flip:   f3 ab                 ; rep stosw
            e4 64                 ; in al, 0x64
            a8 01                 ; test al, 1
            74 @churn             ; jz churn
            e4 60                 ; in al, 0x60
            bb 00 24              ; mov bx, 0x2400
            8e c3                 ; mov es, bx
            31 ff                 ; xor di, di
            31 c0                 ; xor ax, ax
            b9 00 08              ; mov cx, 0x800
            f3 ab                 ; rep stosw
            b8 26 26              ; mov ax, 0x2626
            b9 00 08              ; mov cx, 0x800
            bb 00 26              ; mov bx, 0x2600
            8e c3                 ; mov es, bx
            31 ff                 ; xor di, di
            f3 ab                 ; rep stosw
            eb @churn             ; jmp churn
`;

/** Offsets in the ROM for long mode. */
const LONG_CODE = 0x100;
const LONG_GDT = 0x400;
const LONG_GDT_POINTER = 0x440;

/** Maps the first 2 MiB one to one and goes to long mode. */
const ENTER_LONG_MODE = `
            fa                         ; cli
            31 c0                      ; xor ax, ax
            8e d8                      ; mov ds, ax
            66 c7 06 00 10 03 20 00 00 ; mov dword [0x1000], 0x2003
            66 c7 06 00 20 03 30 00 00 ; mov dword [0x2000], 0x3003
            66 c7 06 00 30 83 00 00 00 ; mov dword [0x3000], 0x83
            66 b8 00 10 00 00          ; mov eax, 0x1000
            0f 22 d8                   ; mov cr3, eax
            66 b8 20 06 04 00          ; mov eax, 0x40620 (PAE, SSE, XSAVE)
            0f 22 e0                   ; mov cr4, eax
            66 b9 80 00 00 c0          ; mov ecx, 0xc0000080
            0f 32                      ; rdmsr
            66 0d 01 01 00 00          ; or eax, 0x101
            0f 30                      ; wrmsr
            2e 66 0f 01 16 40 04       ; lgdt cs:[0x440]
            66 b8 11 00 00 80          ; mov eax, 0x80000011
            0f 22 c0                   ; mov cr0, eax
            66 ea 00 01 0f 00 08 00    ; jmp 0x8:0xf0100
`;

/** Gives all registers values that tell them apart, and stops. */
const LONG_MODE = `
            66 b8 10 00                ; mov ax, 0x10
            8e d8                      ; mov ds, ax
            8e d0                      ; mov ss, ax
            66 b8 18 00                ; mov ax, 0x18
            0f 00 d8                   ; ltr ax
            66 b8 28 00                ; mov ax, 0x28
            0f 00 d0                   ; lldt ax
            31 c9                      ; xor ecx, ecx
            31 d2                      ; xor edx, edx
            b8 07 00 00 00             ; mov eax, 7
            0f 01 d1                   ; xsetbv
            b9 01 01 00 c0             ; mov ecx, 0xc0000101
            b8 78 56 34 12             ; mov eax, 0x12345678
            ba 00 80 ff ff             ; mov edx, 0xffff8000
            0f 30                      ; wrmsr (gs.base)
            db e3                      ; fninit
            d9 e8                      ; fld1
            d9 eb                      ; fldpi
            66 48 0f 6e c0             ; movq xmm0, rax
            66 4c 0f 6e fa             ; movq xmm15, rdx
            66 44 0f 6c f8             ; punpcklqdq xmm15, xmm0
            c4 e3 75 18 c8 01          ; vinsertf128 ymm1, ymm1, xmm0, 1
            48 b8 11 12 13 14 15 16 17 18 ; mov rax, 0x1817161514131211
            48 bb 22 23 24 25 26 27 28 29 ; mov rbx, 0x2928272625242322
            48 b9 33 34 35 36 37 38 39 3a ; mov rcx, 0x3a39383736353433
            48 ba 44 45 46 47 48 49 4a 4b ; mov rdx, 0x4b4a494847464544
            48 be 55 56 57 58 59 5a 5b 5c ; mov rsi, 0x5c5b5a5958575655
            48 bf 66 67 68 69 6a 6b 6c 6d ; mov rdi, 0x6d6c6b6a69686766
            48 bd 77 78 79 7a 7b 7c 7d 7e ; mov rbp, 0x7e7d7c7b7a797877
            48 bc 88 89 8a 8b 8c 8d 8e 8f ; mov rsp, 0x8f8e8d8c8b8a8988
            49 b8 99 9a 9b 9c 9d 9e 9f a0 ; mov r8, 0xa09f9e9d9c9b9a99
            49 b9 aa ab ac ad ae af b0 b1 ; mov r9, 0xb1b0afaeadacabaa
            49 ba bb bc bd be bf c0 c1 c2 ; mov r10, 0xc2c1c0bfbebdbcbb
            49 bb cc cd ce cf d0 d1 d2 d3 ; mov r11, 0xd3d2d1d0cfcecdcc
            49 bc dd de df e0 e1 e2 e3 e4 ; mov r12, 0xe4e3e2e1e0dfdedd
            49 bd ee ef f0 f1 f2 f3 f4 f5 ; mov r13, 0xf5f4f3f2f1f0efee
            49 be ff 00 01 02 03 04 05 06 ; mov r14, 0x06050403020100ff
            49 bf 11 12 13 14 15 16 17 18 ; mov r15, 0x1817161514131211
            83 c0 7f                   ; add eax, 0x7f
            48 b8 11 12 13 14 15 16 17 18 ; mov rax, 0x1817161514131211
    halt:   f4                         ; hlt
            eb @halt                   ; jmp halt
`;

/** What an x86 ROM does after it has filled memory. */
export type X86Program = "halt" | "map-device" | "churn" | "wait";

/** A 64 KiB x86 ROM for `-bios`. */
export function x86Rom(program: X86Program): Uint8Array {
  const tails = {
    halt: HALT,
    "map-device": MAP_DEVICE + HALT,
    churn: CHURN,
    wait: WAIT + CHURN,
  };
  const rom = new Uint8Array(ROM_BYTES);
  rom.set(assemble(FILL + tails[program]));
  rom.set([0xea, 0x00, 0x00, 0x00, 0xf0], RESET_VECTOR); // jmp 0xf000:0
  return rom;
}

/** A 64 KiB x86 ROM that halts in 64-bit mode; needs a processor with AVX. */
export function x86LongModeRom(): Uint8Array {
  const rom = new Uint8Array(ROM_BYTES);
  const view = new DataView(rom.buffer);
  rom.set(assemble(ENTER_LONG_MODE));
  rom.set(assemble(LONG_MODE), LONG_CODE);
  const descriptors = [
    0n,
    0x00af_9a00_0000_ffffn, // 0x08: 64-bit code
    0x00cf_9200_0000_ffffn, // 0x10: data
    0x0000_8900_5000_0067n, // 0x18: TSS at 0x5000, two entries
    0n,
    0x0000_8200_6000_00ffn, // 0x28: LDT at 0x6000, two entries
    0n,
  ];
  descriptors.forEach((entry, n) => view.setBigUint64(LONG_GDT + 8 * n, entry, true));
  view.setUint16(LONG_GDT_POINTER, 8 * descriptors.length - 1, true);
  view.setUint32(LONG_GDT_POINTER + 2, 0xf0000 + LONG_GDT, true);
  rom.set([0xea, 0x00, 0x00, 0x00, 0xf0], RESET_VECTOR); // jmp 0xf000:0
  return rom;
}

/** AArch64: x0..x30 get recognisable values, then an endless loop. */
export function aarch64Program(): Uint8Array {
  const movz = (register: number, value: number) => 0xd2800000 + value * 32 + register;
  const moves = Array.from({ length: 31 }, (_, n) => movz(n, 0x1000 + n * 0x101));
  return words([...moves, 0x14000000], true);
}

/** RISC-V: x1..x31 get recognisable values, then an endless loop. */
export function riscvProgram(): Uint8Array {
  const addi = (register: number, value: number) => (value << 20) + (register << 7) + 0x13;
  const moves = Array.from({ length: 31 }, (_, n) => addi(n + 1, 0x100 + n));
  return words([...moves, 0x0000006f], true);
}

/**
 * POWER, for `-bios` of the pseries machine (entry 0x100): enters a few entries into the hash
 * page table through the hypervisor call H_ENTER, then loops for ever.
 */
export function pseriesProgram(): Uint8Array {
  const li = (register: number, value: number) => 0x38000000 + (register << 21) + value;
  const hypercall = 0x44000022;
  const enter = (index: number) => [
    li(3, 8), // H_ENTER
    li(4, 0), // any free entry of the group
    li(5, index),
    li(6, 1), // valid
    li(7, 0x0192),
    hypercall,
  ];
  const code = words([...[0, 0, 8, 64, 1024].flatMap(enter), 0x48000000], false);
  const image = new Uint8Array(0x1000);
  image.set(code, 0x100);
  return image;
}

/** Memory content for `-device loader`: pages that are constant, a ramp, text, noise and zero. */
export function patternPages(pageBytes: number, pages: number): Uint8Array {
  const data = new Uint8Array(pageBytes * pages);
  const text = new TextEncoder().encode("the quick brown fox jumps over the lazy dog. ");
  let noise = 12345;
  for (let at = 0; at < data.length; at++) {
    const page = Math.floor(at / pageBytes);
    noise = (Math.imul(noise, 1103515245) + 12345) >>> 0;
    const kinds = [page + 1, at, text[at % text.length] ?? 0, noise >>> 24, 0];
    data[at] = kinds[page % kinds.length] ?? 0;
  }
  return data;
}

/**
 * Turns lines of `label: hex bytes ; comment` into code. `@label` is the distance to a label as one
 * signed byte.
 */
function assemble(source: string): Uint8Array {
  const labels = new Map<string, number>();
  const tokens: string[] = [];
  for (const line of source.split("\n")) {
    for (const token of line.replace(/;.*/, "").split(/\s+/).filter((word) => word !== "")) {
      if (token.endsWith(":")) labels.set(token.slice(0, -1), tokens.length);
      else tokens.push(token);
    }
  }
  return Uint8Array.from(tokens, (token, position) => {
    if (!token.startsWith("@")) return parseInt(token, 16);
    const distance = (labels.get(token.slice(1)) ?? NaN) - (position + 1);
    if (!(Math.abs(distance) < 128)) throw new RangeError(`Cannot reach ${token}`);
    return distance;
  });
}

function words(values: readonly number[], littleEndian: boolean): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, n) => view.setUint32(n * 4, value, littleEndian));
  return new Uint8Array(view.buffer);
}
