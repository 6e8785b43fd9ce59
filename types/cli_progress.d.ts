// What the project uses of cli-progress, which brings no types.
declare module "cli-progress" {
  /** How a bar looks and behaves. */
  export interface Options {
    readonly format: string;
    readonly barsize: number;
    readonly clearOnComplete: boolean;
    readonly hideCursor: boolean;
    readonly synchronousUpdate: boolean;
  }
  /** One bar. */
  export class SingleBar {
    constructor(options: Options, preset: Readonly<Record<string, string>>);
    start(total: number, startValue: number, payload: Readonly<Record<string, string>>): void;
    setTotal(total: number): void;
    update(value: number, payload: Readonly<Record<string, string>>): void;
    stop(): void;
  }
  const cliProgress: {
    readonly SingleBar: typeof SingleBar;
    readonly Presets: Readonly<Record<"shades_classic", Readonly<Record<string, string>>>>;
  };
  export default cliProgress;
}
