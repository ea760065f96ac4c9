import type { BootstrapResult, ImproveOptions, ImproveReport, ServeSettings } from '../../../src/index.ts';

export interface DemoOptions {
  folder: string;
  assistant: string;
  asks: readonly string[];
  unseen: readonly string[];
  prefers: (text: string) => boolean;
  isRight?: (prompt: string, text: string) => boolean;
  people: number;
  each: number;
  mistaken: number;
  flood?: number;
  maxTokens: number;
  seed: number;
  improve?: Partial<ImproveOptions>;
  serve?: Partial<ServeSettings>;
}

export interface DemoResult {
  before: number;
  after: number;
  change: BootstrapResult;
  rightBefore: number;
  rightAfter: number;
  report: ImproveReport;
  servedHash: string;
}

export function demoRound(
  athanor: typeof import('../../../src/index.ts'),
  options: DemoOptions,
): Promise<DemoResult>;
