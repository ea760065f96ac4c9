/** The page of a round: gates, feedback on its way to rows, and the course of each stage. */
import { existsSync } from 'node:fs';
import type { JsonObject } from '../base/json.ts';
import { writeReport } from '../report/html-report.ts';
import { MetricsLog } from '../report/metrics-log.ts';
import type { ReportStage, ReportTable } from '../report/sections/section.ts';
import { stageNames } from './candidate.ts';
import type { GateReport } from './gates/gate.ts';
import type { Round } from './round.ts';

/** What a round found, for its page. */
export interface RoundFindings {
  title: string;
  outcome: string;
  gates: readonly GateReport[];
  /** Lines about the feedback. */
  funnel: readonly string[];
  config: JsonObject;
}

const charts = {
  sft: ['loss'],
  dpo: ['accuracy'],
  kto: ['accuracy'],
  reward: ['accuracy'],
  ppo: ['reward'],
  judge: ['accuracy'],
};

/** Writes `report.html`. Throws as writeReport. */
export function writeRoundReport(
  round: Round,
  { title, outcome, gates, funnel, config }: RoundFindings,
): void {
  MetricsLog.open(round.folder).close();
  const stages = stageNames.filter((name) => existsSync(round.path(name)));
  writeReport(round.folder, {
    title,
    subtitle: outcome,
    summary: [['outcome', outcome]],
    config,
    stages: stages.map((name): ReportStage => ({ name, folder: name, charts: charts[name] })),
    tables: [gateTable(gates), stageTable(stages), feedbackTable(funnel)],
  });
}

function gateTable(gates: readonly GateReport[]): ReportTable {
  return {
    title: 'Gates',
    columns: ['gate', 'measure', 'served', 'new', 'lead', '95 % interval', 'may fall by', 'items', 'result'],
    rows: gates.map((gate) => [
      ...[gate.name, gate.measure, shown(gate.served), shown(gate.candidate), shown(gate.lead)],
      gate.low === null ? '' : `${shown(gate.low)} to ${shown(gate.high)}`,
      ...[shown(gate.tolerance), gate.items, gate.note ? `${gate.status}: ${gate.note}` : gate.status],
    ]),
    note: 'A gate fell when the interval of the lead reaches below what it may fall by.',
  };
}

function stageTable(stages: readonly string[]): ReportTable {
  return {
    title: 'Stages',
    columns: ['stage', 'page'],
    rows: stages.map((name) => [name, { text: 'report', href: `${name}/report.html` }]),
  };
}

function feedbackTable(lines: readonly string[]): ReportTable {
  return { title: 'Feedback', columns: ['what became of it'], rows: lines.map((line) => [line]) };
}

/** A number with three digits behind the point. */
export function shown(value: number | null): string {
  return value === null ? '' : value.toFixed(3);
}
