/**
 * Short introductions to formats, for `migstream help TOPIC`.
 *
 * @module
 */

/** An introduction. */
export interface HelpTopic {
  /** What it is called on the command line. */
  readonly name: string;
  /** The text, in lines of at most 79 characters. */
  readonly text: string;
}

/** The introductions. */
export const TOPICS: readonly HelpTopic[] = [
  {
    name: "stream",
    text: `A migration stream is what QEMU sends to another QEMU, or writes to a file
with 'migrate file:guest.mig'. It begins with "QEVM" and version 3, then:

  configuration     machine type, capabilities that change the format
  sections          START, PARTs and END of the RAM (and of other things that
                    are sent while the guest runs), then a FULL of each device
  commands          between sections: ping, postcopy, switchover
  EOF               one zero byte
  vmdescription     JSON that says what the bytes of each device mean

A section ends with a footer that repeats its id; it carries no length.
The whole format: docs/format.md. What is where in a file: migstream layout.`,
  },
  {
    name: "ram",
    text: `A RAM section is a sequence of records. Each begins with a word of 64 bits:
the address of a page in its RAM block, and in its low bits flags that say
what follows:

  MEM_SIZE    the list of RAM blocks, with names and sizes
  ZERO        one byte, 0: the page is zero
  PAGE        the page
  XBZRLE      what changed since the page was last sent
  CONTINUE    beside others: the same block as before, no name
  EOS         the section ends

A live migration sends pages again when the guest writes to them: the last
one counts.`,
  },
  {
    name: "mapped-ram",
    text: `With the capability mapped-ram (QEMU 9.0) every page has a fixed place in
the file, so that several threads can write and read it, and a page that is
sent again replaces itself. Inside the RAM's START section, for each block:

  name, size, header    where the bitmap and the pages are in the file
  bitmap                a bit for each page: set if it is in the file
  pages                 at a whole MiB; pages that are not there are holes

Old content may stand at the place of a page whose bit is clear: 'slack'
(migstream extract --slack). Made by libvirt as format 'sparse'.
migstream convert --to mapped-ram makes such a file of any image.`,
  },
  {
    name: "multifd",
    text: `With the capability multifd pages go over several connections. Each begins
with a packet that says its number; each further packet has a header with
the pages' addresses, and their contents, perhaps compressed (zlib, zstd,
qpl, uadk, qatzip). Marks on the main channel and SYNC packets on the others
keep them in step.

  migstream capture --listen unix:guest.sock --out guest/    records them
  migstream info guest/                                      shows them
  migstream send guest/ unix:other.sock                      plays them back`,
  },
  {
    name: "libvirt",
    text: `'virsh save' writes a header of 92 bytes ("LibvirtQemudSave"), the domain's
XML, a cookie, and then the stream, as it is (raw), compressed (gzip, bzip2,
xz, lzop, zstd) or as mapped-ram (sparse). All commands take such an image.

  migstream info guest.save --xml      prints the XML
  migstream convert guest.mig guest.save --to stream --libvirt domain.xml`,
  },
  {
    name: "qcow2",
    text: `'savevm' keeps the stream inside a qcow2 image, behind the disk's data, as
an internal snapshot. migstream info lists them; --snapshot NAME chooses one
where there are several:

  migstream registers disk.qcow2 --snapshot clean`,
  },
  {
    name: "vmdescription",
    text: `Behind the stream stands a JSON text that names the fields of every device,
with types and sizes. Without it, device sections are bytes whose end can
only be guessed. Take one of the same machine where a stream has none:

  migstream analyze guest.mig --vmdesc other.mig`,
  },
  {
    name: "postcopy",
    text: `In postcopy the guest goes on at the destination before all pages are
there: the devices' state comes early, in a PACKAGED command, and pages
follow when they are asked for, perhaps on a channel of their own (preempt).
A capture of it needs a real destination:

  migstream capture --listen tcp:4444 --forward tcp:host:4444 --out guest/`,
  },
];

/** The introduction of a name. */
export function findTopic(name: string): HelpTopic | undefined {
  return TOPICS.find((topic) => topic.name === name.toLowerCase());
}
