/**
 * What the machine type's name says about a stream.
 *
 * @module
 */

/** Families whose machine types all have versions: their bare names are prefixes or aliases, which QEMU never writes. */
const VERSIONED = new Set(["pc", "q35", "pc-i440fx", "pc-q35", "pseries", "s390-ccw-virtio"]);

/** A release, as machine types name it. */
export interface MachineVersion {
  /** `10` of `pc-q35-10.1`. */
  readonly major: number;
  /** `1` of `pc-q35-10.1`. */
  readonly minor: number;
}

/** The release that a machine type is named after; `undefined` where its name has none. */
export function machineVersion(machine: string): MachineVersion | undefined {
  const found = /-(\d{1,3})\.(\d{1,3})$/.exec(machine);
  return found === null ? undefined : { major: Number(found[1]), minor: Number(found[2]) };
}

/** Whether a release is another one or comes after it. */
export function isSince({ major, minor }: MachineVersion, since: MachineVersion): boolean {
  return major > since.major || (major === since.major && minor >= since.minor);
}

/** Whether a name lacks the version that all names of its family have. */
export function lacksVersion(machine: string): boolean {
  return VERSIONED.has(machine);
}
