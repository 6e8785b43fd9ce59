/**
 * A program that plays the other side of a capture or of what is sent, for tests that have no permission to use the network themselves.
 *
 * ```text
 * live_peer.ts send SOCKET FILE [hold]     sends a file, then closes, or waits until it is ended
 * live_peer.ts receive SOCKET FILE [hold]  listens, keeps what comes on the first connection in a file, then closes
 * ```
 */

const [action, path = "", file = "", hold] = Deno.args;

if (action === "send") {
  const connection = await Deno.connect({ transport: "unix", path });
  const bytes = await Deno.readFile(file);
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
  console.log("sent");
  // Until the other side, or whoever started it, ends it.
  if (hold !== undefined) { while (await connection.read(new Uint8Array(100)) !== null); }
  connection.close();
} else {
  const listener = Deno.listen({ transport: "unix", path });
  console.log("listening");
  const connection = await listener.accept();
  const output = await Deno.open(file, { write: true, create: true });
  await connection.readable.pipeTo(output.writable);
  listener.close();
}
