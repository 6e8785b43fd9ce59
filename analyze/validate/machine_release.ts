/**
 * What a machine type says about the release whose behaviour it has.
 *
 * @module
 */

/**
 * The release that a versioned machine type belongs to, as hundreds and ones: 801 for `pc-q35-8.1`; `undefined` for a machine type
 * without a version. The QEMU that wrote the stream is at least as new.
 */
export function machineRelease(machine: string): number | undefined {
  const [, major, minor] = /-(\d{1,3})\.(\d{1,2})$/.exec(machine) ?? [];
  return major === undefined ? undefined : Number(major) * 100 + Number(minor);
}
