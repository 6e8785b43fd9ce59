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

/** What an x86 ROM does after it has filled memory. */
export type X86Program = "halt" | "churn" | "wait";

/** A 64 KiB x86 ROM for `-bios`. */
export function x86Rom(program: X86Program): Uint8Array {
  const tails = { halt: HALT, churn: CHURN, wait: WAIT + CHURN };
  const rom = new Uint8Array(ROM_BYTES);
  rom.set(assemble(FILL + tails[program]));
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
