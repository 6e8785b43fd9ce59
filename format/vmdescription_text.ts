/**
 * The JSON text of a vmdescription, as QEMU writes it: one line, the members in QEMU's order.
 *
 * ```text
 * top     page_size, devices
 * device  name, instance_id, structure | size, fields (an old-style device, whose one field is its data)
 * struct  vmsd_name, version, fields, [subsections]
 * field   name, [array_len], type, [struct | structure of each element], size
 * ```
 *
 * What says nothing about the bytes is not written: the description of the configuration, and the `index` of array elements.
 *
 * @module
 */

import { quoteJsonAscii } from "./json_print.ts";
import { encodeText } from "./text.ts";
import type {
  DeviceDescription,
  FieldDescription,
  Vmdescription,
  VmsdDescription,
} from "./vmdescription.ts";

/** The text of a description; `parseVmdescription` makes the same description of it. */
export function vmdescriptionText({ pageBytes, devices }: Vmdescription): Uint8Array {
  const members = [
    ...(pageBytes === undefined ? [] : [`"page_size": ${pageBytes}`]),
    `"devices": [${devices.map(deviceText).join(", ")}]`,
  ];
  return encodeText(`{${members.join(", ")}}`);
}

function deviceText({ name, instanceId, state }: DeviceDescription): string {
  const head = `"name": ${quoteJsonAscii(name)}, "instance_id": ${instanceId}`;
  if (state.vmsdName !== "") return `{${head}, ${structMembers(state)}}`;
  const fields = state.fields.map(({ name, type, sizeBytes }) =>
    `{"name": ${quoteJsonAscii(name)}, "size": ${sizeBytes}, "type": ${quoteJsonAscii(type)}}`
  );
  const sizeBytes = state.fields.reduce((sum, field) => sum + field.sizeBytes, 0);
  return `{${head}, "size": ${sizeBytes}, "fields": [${fields.join(", ")}]}`;
}

function structMembers({ vmsdName, version, fields, subsections }: VmsdDescription): string {
  const members = [
    `"vmsd_name": ${quoteJsonAscii(vmsdName)}`,
    `"version": ${version}`,
    `"fields": [${fields.map(fieldText).join(", ")}]`,
  ];
  if (subsections.length > 0) {
    const texts = subsections.map((each) => `{${structMembers(each)}}`);
    members.push(`"subsections": [${texts.join(", ")}]`);
  }
  return members.join(", ");
}

function fieldText(field: FieldDescription): string {
  const { name, arrayLength, type, struct, inline, sizeBytes } = field;
  const members = [
    `"name": ${quoteJsonAscii(name)}`,
    ...(arrayLength === undefined ? [] : [`"array_len": ${arrayLength}`]),
    `"type": ${quoteJsonAscii(type)}`,
    ...(struct === undefined ? [] : [`"struct": {${structMembers(struct)}}`]),
    ...inline.map(structMembers),
    `"size": ${sizeBytes}`,
  ];
  return `{${members.join(", ")}}`;
}
