// List all shown holders as a table that can be sorted, searched and saved as CSV.

import { computed, signal } from "@preact/signals";
import { csv, save } from "./csv";
import { decimal, type Holder, matches, type Model, short, shownName } from "./model";
import { picture, show, shown } from "./store";
import { Swatch } from "./swatch";
import { named, percent, say, tokens } from "./texts";
import { searched } from "./tree";

type Column = "rank" | "address" | "kind" | "amount" | "share" | "cluster";

const FIRST = 25;
const STEP = 100;
const sorted = signal<{ readonly column: Column; readonly isDescending: boolean }>({ column: "amount", isDescending: true });
const limit = signal(FIRST);

const ORDER: Readonly<Record<Column, (model: Model) => (a: Holder, b: Holder) => number>> = {
  rank: () => (a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity) || 0,
  address: () => (a, b) => (a.address.toLowerCase() < b.address.toLowerCase() ? -1 : 1),
  kind: () => (a, b) => named("kind", a.kind).localeCompare(named("kind", b.kind)),
  amount: () => (a, b) => (a.amount < b.amount ? -1 : a.amount > b.amount ? 1 : 0),
  share: () => (a, b) => (a.ofCirculating ?? -1) - (b.ofCirculating ?? -1),
  cluster: (model) => (a, b) => rankOf(model, a) - rankOf(model, b),
};

const COLUMNS: readonly [Column, boolean][] = [["rank", true], ["address", false], ["kind", false], ["amount", true], ["share", true], ["cluster", true]];

const rows = computed<readonly Holder[]>(() => {
  const model = picture.value?.model;
  if (!model) return [];
  const { column, isDescending } = sorted.value;
  const found = [...model.holders.values()].filter((holder) => matches(holder, searched.value));
  const order = ORDER[column](model);
  return found.sort((a, b) => (isDescending ? order(b, a) : order(a, b)));
});

function rankOf(model: Model, { clusterId }: Holder): number {
  return (clusterId === null ? undefined : model.clusters.get(clusterId)?.facts.rank) ?? Number.MAX_SAFE_INTEGER;
}

export function Table() {
  const model = picture.value?.model;
  if (!model) return null;
  const { listedHolders } = model.map;
  return (
    <section class="card stack" aria-labelledby="table">
      <div class="spread">
        <h2 id="table">{say("tableTitle")}</h2>
        <button class="compact" onClick={() => saveRows(model)}>
          {say("saveCsv")}
        </button>
      </div>
      {!model.isComplete && <p class="small quiet">{say("tableCut", { n: model.holders.size, total: listedHolders })}</p>}
      <div class="scroll" tabIndex={0} role="group" aria-labelledby="table">
        <table>
          <thead>
            <tr>
              {COLUMNS.map(([column, isNumber]) => (
                <Heading key={column} column={column} isNumber={isNumber} />
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.value.slice(0, limit.value).map((holder) => (
              <Row key={holder.address} holder={holder} model={model} />
            ))}
          </tbody>
        </table>
      </div>
      {rows.value.length > limit.value && <button onClick={() => (limit.value += STEP)}>{say("showMore")}</button>}
    </section>
  );
}

function Heading({ column, isNumber }: { readonly column: Column; readonly isNumber: boolean }) {
  const isSorted = sorted.value.column === column;
  const { isDescending } = sorted.value;
  const sort = (): void => {
    sorted.value = { column, isDescending: isSorted ? !isDescending : column === "amount" || column === "share" };
  };
  return (
    <th scope="col" class={isNumber ? "number" : undefined} aria-sort={isSorted ? (isDescending ? "descending" : "ascending") : "none"}>
      <button class="plain sort" onClick={sort}>
        {say(`column_${column}`)} <span aria-hidden="true">{isSorted ? (isDescending ? "▾" : "▴") : ""}</span>
      </button>
    </th>
  );
}

function Row({ holder, model }: { readonly holder: Holder; readonly model: Model }) {
  const cluster = holder.clusterId === null ? undefined : model.clusters.get(holder.clusterId);
  return (
    <tr class={holder.address === shown.value.selected ? "selected" : undefined}>
      <td class="number">{holder.rank ?? ""}</td>
      <td>
        <button class="plain mono" title={holder.address} onClick={() => show({ selected: holder.address })}>
          {short(holder.address)}
        </button>
        {holder.label && <bdi class="small"> {shownName(holder.label)}</bdi>}
      </td>
      <td>{named("kind", holder.kind)}</td>
      <td class="number">{tokens(holder.amount, model.map.token.decimals)}</td>
      <td class="number">{holder.ofCirculating === null ? "–" : percent(holder.ofCirculating)}</td>
      <td class="number">
        {cluster && (
          <>
            <Swatch cluster={cluster.id} /> {cluster.facts.rank}
          </>
        )}
      </td>
    </tr>
  );
}

/** Save all rows, in the order of the table, with exact amounts. */
function saveRows(model: Model): void {
  const { token, chain, tokenAddress, asOf } = model.map;
  const head = ["rank", "address", "label", "kind", "amount", "shareOfCirculating", "shareOfSupply", "cluster", "firstFunder"];
  const body = rows.value.map((each) => [
    each.rank ?? "",
    each.address,
    each.label ?? "",
    each.kind,
    decimal(each.amount, token.decimals ?? 0),
    each.ofCirculating ?? "",
    each.ofSupply,
    each.clusterId ?? "",
    each.firstFunder ?? "",
  ]);
  save(new Blob([csv([head, ...body])], { type: "text/csv;charset=utf-8" }), `${chain}-${tokenAddress}-${asOf.block}.csv`);
}

export function Distributions() {
  const model = picture.value?.model;
  if (!model || model.map.distributions.length === 0) return null;
  return (
    <section class="card stack" aria-labelledby="distributions">
      <h2 id="distributions">{say("distributions")}</h2>
      <p class="quiet">{say("distributionsHint")}</p>
      <ul class="stack">
        {model.map.distributions.map(({ source, type, recipients, share, label }) => (
          <li key={source + type}>
            <button class="plain mono" title={source} onClick={() => show({ selected: source })}>
              {short(source)}
            </button>{" "}
            {label && <bdi>{shownName(label)} · </bdi>}
            {named("evidence", type)} · {say("walletsOf", { n: recipients })} · {say("shareOfCirculating", { share: percent(share) })}
          </li>
        ))}
      </ul>
    </section>
  );
}
