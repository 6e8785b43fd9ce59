/**
 * The name that somebody may have meant.
 *
 * @module
 */

/** Names and characters that are compared: there may be any number of them in a stream. */
const MAX_NAMES = 5000;
const MAX_CHARACTERS = 128;

/** Where a name may end in a path. */
const BORDER = /[./[]/g;

/**
 * That one of `names` which `typed` begins with if one overlooks some characters, or which contains its first part; `undefined` if none
 * is near.
 */
export function nearestName(names: Iterable<string>, typed: string): string | undefined {
  const path = typed.slice(0, MAX_CHARACTERS).toLowerCase();
  const heads = [path, ...Array.from(path.matchAll(BORDER), ({ index }) => path.slice(0, index))]
    .filter((head) => head !== "");
  let best: { readonly name: string; readonly distance: number } | undefined;
  let containing: string | undefined;
  let compared = 0;
  for (const name of names) {
    if (++compared > MAX_NAMES) break;
    const other = name.slice(0, MAX_CHARACTERS).toLowerCase();
    for (const head of heads) {
      const most = Math.min(3, Math.floor(Math.max(head.length, other.length) / 2));
      if (Math.abs(head.length - other.length) > most) continue;
      const distance = editDistance(head, other);
      if (distance <= most && (best === undefined || distance < best.distance)) {
        best = { name, distance };
      }
    }
    if (heads.some((head) => other.includes(head))) containing ??= name;
  }
  return best?.name ?? containing;
}

/** Number of characters that have to be changed, added or left out to make one name the other. */
export function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let at = 1; at <= left.length; at++) {
    const next = [at];
    for (let to = 1; to <= right.length; to++) {
      const changed = row[to - 1]! + (left[at - 1] === right[to - 1] ? 0 : 1);
      next.push(Math.min(changed, row[to]! + 1, next[to - 1]! + 1));
    }
    row = next;
  }
  return row[right.length]!;
}
