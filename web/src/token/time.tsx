// Choose a past report, and one to compare it with.

import { Problem } from "../shared/problem";
import { moment, number } from "../shared/words";
import type { ClusterChange, ReportMetrics } from "../shared/description";
import { short } from "./model";
import { changeError, diff, isChanging, picture, retryChange, runs, show, shown } from "./store";
import { named, percent, say } from "./texts";

const MOST_CHANGES = 30;

export function Timeline() {
  const oldestFirst = [...runs.value].reverse();
  if (oldestFirst.length === 0) return null;
  return (
    <section class="card stack" aria-labelledby="time">
      <div class="spread">
        <h2 id="time">{say("time")}</h2>
        {isChanging.value && (
          <p class="small quiet" role="status">
            {say("loadingReport")}
          </p>
        )}
      </div>
      {oldestFirst.length === 1 ? <p class="quiet">{say("oneRun")}</p> : <Sliders all={oldestFirst} />}
      {changeError.value !== null && <Problem error={changeError.value} retry={retryChange} />}
      <Difference />
    </section>
  );
}

function Sliders({ all }: { readonly all: readonly ReportMetrics[] }) {
  // what was chosen, before it is loaded: the next key press goes on from there
  const at = shown.value.at === null ? all.length - 1 : indexAt(all, shown.value.at);
  const from = shown.value.from === null ? null : Math.min(indexAt(all, shown.value.from), at - 1);
  const chooseShown = (index: number): void => {
    const run = all[index] as ReportMetrics;
    const keepsFrom = shown.value.from !== null && shown.value.from < run.computedAt;
    show({ at: index === all.length - 1 ? null : run.computedAt, from: keepsFrom ? shown.value.from : null });
  };
  return (
    <div class="stack">
      <Slider id="shown-run" label={say("shownReport")} all={all} index={at} most={all.length - 1} onChange={chooseShown} />
      <label class="row">
        <input
          type="checkbox"
          checked={from !== null && from >= 0}
          disabled={at === 0}
          onChange={({ currentTarget }) => show({ from: currentTarget.checked ? (all[at - 1] as ReportMetrics).computedAt : null })}
        />
        {say("compare")}
      </label>
      {from !== null && from >= 0 && <Slider id="from-run" label={say("comparedReport")} all={all} index={from} most={at - 1} onChange={(index) => show({ from: (all[index] as ReportMetrics).computedAt })} />}
    </div>
  );
}

interface SliderProps {
  readonly id: string;
  readonly label: string;
  readonly all: readonly ReportMetrics[];
  readonly index: number;
  readonly most: number;
  readonly onChange: (index: number) => void;
}

function Slider({ id, label, all, index, most, onChange }: SliderProps) {
  const run = all[index];
  const text = run ? say("blockAt", { block: run.asOf.block, time: moment(run.asOf.timestamp) }) : "";
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input id={id} type="range" min={0} max={most} step={1} value={index} disabled={most === 0} list={`${id}-marks`} aria-valuetext={text} onChange={({ currentTarget }) => onChange(Number(currentTarget.value))} />
      <datalist id={`${id}-marks`}>
        {all.slice(0, most + 1).map(({ computedAt }, place) => (
          <option key={computedAt} value={place} />
        ))}
      </datalist>
      <output for={id} class="small quiet">
        {text}
        {run && ` · ${say("holdersOf", { n: run.holders })} · ${say("clustersOf", { n: run.numClusters })}`}
      </output>
    </div>
  );
}

function indexAt(all: readonly ReportMetrics[], at: number): number {
  return Math.max(0, all.findLastIndex(({ computedAt }) => computedAt <= at));
}

function Difference() {
  const current = picture.value;
  if (!current?.older) return null;
  const { changes, moves } = current.older.difference;
  const count = (wanted: string): number => [...changes.values()].filter((each) => each === wanted).length;
  return (
    <div class="stack" data-test="difference">
      <p role="status">
        {diff.value && <strong>{say("moved", { share: percent(diff.value.shareMoved) })} </strong>}
        {say("changedHolders", { grown: count("grown"), shrunk: count("shrunk"), fresh: count("new"), gone: count("gone") })}
        {moves.length > 0 && ` ${say("movedHolders", { n: moves.length })}`}
      </p>
      <p class="small quiet">{say("differenceLegend")}</p>
      {diff.value && diff.value.changes.length > 0 && (
        <ul class="list">
          {diff.value.changes.slice(0, MOST_CHANGES).map((change) => (
            <li key={change.id + change.change}>
              <ChangeText change={change} />
            </li>
          ))}
        </ul>
      )}
      {diff.value && diff.value.changes.length > MOST_CHANGES && <p class="small quiet">{say("moreChanges", { n: diff.value.changes.length - MOST_CHANGES })}</p>}
    </div>
  );
}

function ChangeText({ change }: { readonly change: ClusterChange }) {
  const rank = picture.value?.model.clusters.get(change.id)?.facts.rank ?? picture.value?.older?.model.clusters.get(change.id)?.facts.rank;
  const name = rank === undefined ? short(change.id) : say("cluster", { rank });
  return (
    <>
      <button class="plain" disabled={!picture.value?.model.clusters.has(change.id)} onClick={() => show({ selected: change.id })}>
        {name}
      </button>{" "}
      {named("change", change.change)}: {percent(change.shareBefore)} → {percent(change.shareAfter)}
      {change.joined.length > 0 && ` · ${say("joined", { n: change.joined.length })}`}
      {change.left.length > 0 && ` · ${say("left", { n: change.left.length })}`}
      {change.others.length > 0 && ` · ${say("othersOf", { n: number(change.others.length) })}`}
    </>
  );
}
