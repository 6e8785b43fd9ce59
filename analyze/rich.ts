export function printRichState(_state: unknown, print: (text: string) => void): void {
  print("{}");
}
