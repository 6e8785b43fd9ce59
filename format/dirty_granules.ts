/**
 * Granules of dirty bitmaps: how many bits a range of sectors has, and how many bytes those take.
 *
 * @module
 */

/** Bytes of a sector, the unit of a BITS chunk's range. */
export const DIRTY_BITMAP_SECTOR_BYTES = 512;

/** Granules that a range of sectors touches: those from `first` up to but without `end`. */
export function granuleRange(
  granularityBytes: number,
  startSector: number,
  sectorCount: number,
): { readonly first: number; readonly end: number } {
  const sectors = granularityBytes / DIRTY_BITMAP_SECTOR_BYTES;
  return {
    first: Math.floor(startSector / sectors),
    end: Math.ceil((startSector + sectorCount) / sectors),
  };
}

/**
 * Bytes that the bits of a range may take. They are words of the source host (`unsigned long`: 4 or 8 bytes), padded to a multiple of
 * four words; QEMU takes any size between the words needed and that.
 */
export function dirtyBitsSize(
  granularityBytes: number,
  startSector: number,
  sectorCount: number,
): { readonly minBytes: number; readonly maxBytes: number } {
  if (sectorCount === 0) return { minBytes: 0, maxBytes: 0 };
  const { first, end } = granuleRange(granularityBytes, startSector, sectorCount);
  const words = (bits: number) => Math.ceil(end / bits) - Math.floor(first / bits);
  return { minBytes: words(32) * 4, maxBytes: Math.ceil(words(64) / 4) * 32 };
}
