/**
 * Device state from values: random descriptions with values that fit them.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { FormatError } from "../format/error.ts";
import { decodeVmstate } from "../format/vmstate.ts";
import { vmstateValue } from "../format/vmstate_value.ts";
import { encode, structure } from "./vmstates.ts";

Deno.test("encode: random descriptions and values come back", () => {
  fc.assert(
    fc.property(structure(2), ({ vmsd, value }) => {
      const bytes = encode(vmsd, value);
      const decoded = decodeVmstate(bytes, vmsd);
      assertEquals(decoded.lengthBytes, bytes.length);
      assertEquals(vmstateValue(decoded, bytes), value);
    }),
    { numRuns: 300 },
  );
});

Deno.test("encode: random bytes come back through their values", () => {
  fc.assert(
    fc.property(structure(1), fc.infiniteStream(fc.nat(255)), ({ vmsd, value }, random) => {
      const bytes = encode(vmsd, value);
      for (const byte of random.take(3)) {
        if (bytes.length > 0) bytes[byte % bytes.length] = byte;
      }
      let decoded;
      try {
        decoded = decodeVmstate(bytes, vmsd);
      } catch (error) {
        assert(error instanceof FormatError);
        return;
      }
      const used = bytes.subarray(0, decoded.lengthBytes);
      assertEquals(encode(vmsd, vmstateValue(decoded, used)), used);
    }),
    { numRuns: 300 },
  );
});
