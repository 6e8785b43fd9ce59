/**
 * Names that differ between releases though the bytes don't, and names that only the wire has.
 *
 * @module
 */

/**
 * Names of the field with what a device inherits from its class. It was once named after the device's own structure, and nearly all
 * devices have it first.
 */
const PARENT_NAMES: ReadonlySet<string> = new Set([
  "parent_obj",
  "dev",
  "pci",
  "card",
  "pcidev",
  "pci_dev",
  "parent_dev",
  "bridge.dev",
  "parent_obj.parent_obj",
  "parent_obj.parent_obj.parent_obj",
  "br.dev",
  "port.br.dev",
  "parent_obj.parent_obj.parent_obj.parent_obj",
  "bridge.dev.exp.aer_log",
  "parent_obj.parent_obj.exp.aer_log",
]);

/** Fields that were renamed: the structure's name, the old name, the new one. */
const RENAMED_FIELDS: readonly (readonly [vmsd: string, before: string, now: string])[] = [
  ["apic", "timer", "timer_expiry"],
  // Up to 9.2 and since then.
  ["hpet", "num_timers", "num_timers_save"],
  ["ps2kbd", "common", "parent_obj"],
  ["ps2mouse", "common", "parent_obj"],
  ["piix4_pm", "pci0_status", "acpi_pci_hotplug.acpi_pcihp_pci_status[0x0]"],
  ["qxl", "num_surfaces", "ssd.num_surfaces"],
  ["usb-hub", "port", "ports"],
  ["vmware_vga", "card", "parent_obj"],
];

/** Arrays whose length another field says: one without elements is in no description, and a dump does not tell them from others. */
const VARIABLE_ARRAYS: readonly (readonly [vmsd: string, field: string])[] = [
  ["memory hotplug state", "devs"],
  ["spapr_pci", "msi_devs"],
];

/** Structures whose bytes were divided into other fields, so that both sides read as many: `globalstate` has 100 bytes and a number. */
const DIVIDED_STRUCTS: ReadonlySet<string> = new Set(["globalstate"]);

/** Structures that were renamed. Only names of subsections stand in a stream. */
const RENAMED_STRUCTS: readonly (readonly [before: string, now: string])[] = [
  ["ich9-ahci", "ich9_ahci"],
  ["xhci-core", "xhci"],
];

/**
 * Structures that are not registered by a type of device, so that no dump lists them; those of processors and buses are registered for
 * each of them.
 */
export const NOT_IN_DUMPS: ReadonlySet<string> = new Set([
  "",
  "PCIBUS",
  "acpi_build",
  "apic",
  "cpu",
  "cpu_common",
  "globalstate",
  "i2c_bus",
  "isa-ide",
  "s390_css",
  "spapr",
  "spapr_cpu",
  "spapr_iommu",
  "timer",
  "virt_acpi_build",
  "virtio-mem-device-early",
]);

/** Whether two names of fields of a structure mean the same bytes. */
export function isSameField(vmsd: string, ours: string, theirs: string): boolean {
  if (ours === theirs) return true;
  if (PARENT_NAMES.has(ours) && PARENT_NAMES.has(theirs)) return true;
  return RENAMED_FIELDS.some(([name, before, now]) =>
    name === vmsd && ((ours === before && theirs === now) || (ours === now && theirs === before))
  );
}

/** Whether a field is an array that may have no elements. */
export function isVariableArray(vmsd: string, field: string): boolean {
  return VARIABLE_ARRAYS.some(([name, array]) => name === vmsd && array === field);
}

/** Whether a structure has the same bytes in all releases, under other names. */
export function isDivided(vmsd: string): boolean {
  return DIVIDED_STRUCTS.has(vmsd);
}

/** The names that a structure has had, the given one first. */
export function namesOf(vmsd: string): readonly string[] {
  const pair = RENAMED_STRUCTS.find((names) => names.includes(vmsd));
  return pair === undefined ? [vmsd] : [vmsd, ...pair.filter((name) => name !== vmsd)];
}
