/**
 * Which fields a comparison passes over: globs over paths.
 *
 * ```text
 * timer/*                      all of the section, every instance
 * mc146818rtc*cmos_data[2]     a byte of a buffer
 * *_timer                      whatever ends like this
 * ```
 *
 * `*` stands for any text, slashes and nothing included; all else stands for itself. What is compared is the whole path.
 *
 * @module
 */

/** A glob and how often it was the reason that something was passed over. */
export interface IgnoredCount {
  /** The glob. */
  readonly glob: string;
  /** Fields, bytes of buffers, sections that differ and that it matches. */
  readonly count: number;
}

/** Whether a path is what a glob, taken apart at its stars, describes. */
function matches(parts: readonly string[], path: string): boolean {
  const first = parts[0]!;
  if (parts.length === 1) return path === first;
  const last = parts.at(-1)!;
  if (!path.startsWith(first)) return false;
  let at = first.length;
  // The first place of each part is the best one: what comes behind it has the most room.
  for (const part of parts.slice(1, -1)) {
    const found = path.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return path.length - last.length >= at && path.endsWith(last);
}

class Glob {
  readonly text: string;
  count = 0;
  readonly #parts: readonly string[];
  /** Of a glob that ends with a number in brackets: what stands before them, and the number. */
  readonly #element: { readonly parts: readonly string[]; readonly index: number } | undefined;

  constructor(text: string) {
    this.text = text;
    this.#parts = text.split("*");
    const element = /^(.*)\[(\d{1,15}|\*)\]$/s.exec(text);
    if (element === null) return;
    const index = element[2] === "*" ? Infinity : Number(element[2]);
    this.#element = { parts: element[1]!.split("*"), index };
  }

  matches(path: string): boolean {
    return matches(this.#parts, path);
  }

  /** The byte of the buffer at `path` that the glob names; `Infinity` for all of them. */
  byteOf(path: string): number | undefined {
    if (this.#element === undefined || !matches(this.#element.parts, path)) return undefined;
    return this.#element.index;
  }
}

/** A list of globs that counts what it matches. */
export class IgnoreList {
  readonly #globs: readonly Glob[];

  /** Takes the globs; of several that match, the first one counts. */
  constructor(globs: Iterable<string>) {
    this.#globs = [...new Set(globs)].map((text) => new Glob(text));
  }

  /** How often each glob matched. */
  get counts(): readonly IgnoredCount[] {
    return this.#globs.map(({ text, count }) => ({ glob: text, count }));
  }

  /** Whether what differs at a path is passed over; counts it then. */
  ignores(path: string): boolean {
    const glob = this.#globs.find((each) => each.matches(path));
    if (glob !== undefined) glob.count += 1;
    return glob !== undefined;
  }

  /** Which of the bytes of the buffer at a path are passed over; `undefined` if none is. Calling the result counts. */
  bytesOf(path: string): ((index: number) => boolean) | undefined {
    const globs = this.#globs.flatMap((glob) => {
      const index = glob.byteOf(path);
      return index === undefined ? [] : [{ glob, index }];
    });
    if (globs.length === 0) return undefined;
    return (byte) => {
      const found = globs.find(({ index }) => index === byte || index === Infinity);
      if (found !== undefined) found.glob.count += 1;
      return found !== undefined;
    };
  }
}

/**
 * What moves between two saves of a guest although the guest has done nothing: clocks, and when timers expire next. Found by saving guests
 * twice: machines of x86, Arm, RISC-V, POWER.
 */
export const DEFAULT_IGNORES: readonly string[] = [
  // How an image is stored, not what is in it.
  "configuration/capabilities/mapped-ram",
  // QEMU's virtual clock and the processors' tick counter.
  "timer/*",
  "kvmclock/*/clock",
  "cpu/*/env.tsc",
  // The PC's real-time clock: time of day in CMOS, interrupt flags (register C), alarms.
  ...[0, 2, 4, 6, 7, 8, 9, 12].map((register) => `mc146818rtc/*/cmos_data[${register}]`),
  "mc146818rtc/*/*_alarm_time",
  "mc146818rtc/*/*_periodic_time",
  "mc146818rtc/*/*_timer",
  "mc146818rtc/*/base_rtc",
  "mc146818rtc/*/last_update",
  // Interval timer, local APIC, ACPI's timer, HPET.
  "i8254/*next_transition_time",
  "apic/*/next_time",
  "apic/*/timer_expiry",
  "*.tmr.timer",
  "*.tmr.overflow_time",
  "hpet/*/hpet_counter",
  "hpet/*.qemu_timer",
  "*/xhci.mfwrap_timer",
  // Other architectures' clocks.
  "cpu/*/gt_timer[*]",
  "cpu/*/env.spr[22]",
  "spapr/*guest_timebase",
  "spapr/*time_of_the_day_ns",
  "todclock/*",
];
