/**
 * The text of vmdescriptions: written from what was parsed, and with devices cut out of it.
 */
import { assert, assertEquals } from "@std/assert";
import type { VmdescriptionItem } from "../format/items.ts";
import { parseVmdescription } from "../format/vmdescription.ts";
import { cutDevices } from "../format/vmdescription_cut.ts";
import { vmdescriptionText } from "../format/vmdescription_text.ts";
import { assertEqual, itemsOf } from "./converting.ts";
import { caseNames, loadCase, loadStream } from "./testdata.ts";

function described(name: string): VmdescriptionItem | undefined {
  return itemsOf(loadStream(name), loadCase(name).streamOffset)
    .find((item): item is VmdescriptionItem => item.kind === "vmdescription");
}

const CASES = caseNames().flatMap((name) => {
  const item = described(name);
  return item === undefined ? [] : [{ name, text: item.text, description: item.description }];
});

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("description text: what is written from a description is parsed to the same one", () => {
  assert(CASES.length >= 40, `${CASES.length} descriptions`);
  for (const { name, description } of CASES) {
    const text = vmdescriptionText(description);
    const again = parseVmdescription(text, 0);
    assertEquals(again, description, name);
    assertEqual(vmdescriptionText(again), text, name);
  }
});

Deno.test("description text: devices are cut out one by one, and the rest stays", () => {
  for (const { name, text, description: { pageBytes, devices } } of CASES) {
    for (let gone = 0; gone < devices.length; gone++) {
      const cut = cutDevices(text, (index) => index !== gone);
      assert(cut.length < text.length);
      // Comparing all of every description with every other would take minutes.
      const rest = parseVmdescription(cut, 0);
      assertEquals(rest.pageBytes, pageBytes);
      const names = devices.toSpliced(gone, 1).map((each) => `${each.name}/${each.instanceId}`);
      assertEquals(rest.devices.map((each) => `${each.name}/${each.instanceId}`), names, name);
      if (gone % 16 === 0) assertEquals(rest.devices, devices.toSpliced(gone, 1), name);
    }
  }
});

Deno.test("description text: none, all and several devices are cut out", () => {
  for (const { text, description: { devices } } of CASES) {
    assertEqual(cutDevices(text, () => true), text, "none");
    assertEquals(parseVmdescription(cutDevices(text, () => false), 0).devices, []);
    const odd = parseVmdescription(cutDevices(text, (index) => index % 2 === 1), 0);
    assertEquals(odd.devices.length, devices.length >> 1);
  }
});

Deno.test("description text: brackets in strings and other lists are no devices", () => {
  const device = (name: string) =>
    `{"name": ${JSON.stringify(name)}, "instance_id": 0, "vmsd_name": "]}[{\\"", "version": 1, ` +
    `"fields": [{"name": "devices", "type": "uint8", "size": 1}]}`;
  const [one, two] = [device('a"\\'), device("devices")];
  const text = bytes(
    `{"configuration": {"devices": [1, {}]}, "devices": [ ${one} ,${two}], "page_size": 4096}`,
  );
  const devicesOf = (kept: number) =>
    parseVmdescription(cutDevices(text, (index) => index === kept), 0).devices
      .map(({ name }) => name);
  assertEquals([devicesOf(0), devicesOf(1), devicesOf(2)], [['a"\\'], ["devices"], []]);
});

Deno.test("description text: of several lists of devices the last one counts", () => {
  const device = (name: string) =>
    `{"name": "${name}", "instance_id": 0, "vmsd_name": "v", "version": 1, "fields": []}`;
  const text = bytes(`{"devices": [${device("a")}], "devices": [${device("b")}, ${device("c")}]}`);
  const { devices } = parseVmdescription(text, 0);
  assertEquals(devices.map(({ name }) => name), ["b", "c"]);
  const rest = parseVmdescription(cutDevices(text, (index) => index === 1), 0);
  assertEquals(rest.devices.map(({ name }) => name), ["c"]);
});

Deno.test("description text: a name that is escaped names the same list", () => {
  const device = `{"name": "a", "instance_id": 0, "vmsd_name": "v", "version": 1, "fields": []}`;
  const text = bytes(`{"\\u0064evices": [${device}]}`);
  assertEquals(parseVmdescription(text, 0).devices.length, 1);
  assertEquals(parseVmdescription(cutDevices(text, () => false), 0).devices, []);
});
