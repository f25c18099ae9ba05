// Show the numbers of a report: its quality first where it is not verified, then concentration, flags and limits.

import type { Concentration, TokenMap } from "../shared/description";
import { number } from "../shared/words";
import { ClusterLink } from "./detail";
import { type Cluster, shownName } from "./model";
import { picture } from "./store";
import { named, percent, say, tokens } from "./texts";

const SEVERITIES = { high: "bad", medium: "warn", low: "quiet" } as const;

export function Quality({ map }: { readonly map: TokenMap }) {
  const { quality, limits } = map;
  return (
    <section class={`stack ${quality.balancesVerified ? "card" : "notice bad"}`} aria-labelledby="quality" data-verified={quality.balancesVerified}>
      <h2 id="quality">{say(quality.balancesVerified ? "verified" : "notVerified")}</h2>
      <p>{say(quality.balancesVerified ? "verifiedWhy" : "notVerifiedWhy", { logs: quality.logs })}</p>
      {quality.warnings.length > 0 && (
        <ul class="list">
          {quality.warnings.map((warning) => (
            <li key={warning}>{named("warning", warning)}</li>
          ))}
        </ul>
      )}
      <p class="small">{say("fundingKnown", { share: percent(quality.fundingKnown) })}</p>
      {limits.length > 0 && (
        <details>
          <summary>{say("limits", { n: limits.length })}</summary>
          <ul class="list">
            {limits.map(({ code, text, share }) => (
              <li key={code} class="break">
                <bdi>{named("limit", code, text)}</bdi> {typeof share === "number" && `(${say("shareOfSupply", { share: percent(share) })})`}
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

export function Flags({ map }: { readonly map: TokenMap }) {
  const flags = [...map.flags].sort((a, b) => b.severityIndex - a.severityIndex);
  return (
    <section class="card stack" aria-labelledby="flags">
      <h2 id="flags">{say("flags")}</h2>
      {flags.length === 0 && <p class="quiet">{say("noFlags")}</p>}
      <ul class="stack">
        {flags.map(({ code, severity, evidence }) => (
          <li key={code} class="stack-tight">
            <p>
              <span class={`tag ${SEVERITIES[severity]}`}>{say(`severity_${severity}`)}</span> <strong>{named("flag", code)}</strong>
            </p>
            <p class="small break">
              {picture.value?.model.clusters.has(evidence) ? <ClusterLink cluster={picture.value.model.clusters.get(evidence) as Cluster} /> : <bdi>{measured(evidence)}</bdi>}
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

const ROWS: readonly [keyof Concentration, (value: number) => string][] = [
  ["top10", percent],
  ["hhi", (value) => number(value, { maximumSignificantDigits: 3 })],
  ["effectiveHolders", (value) => number(value, { maximumSignificantDigits: 4 })],
  ["gini", (value) => number(value, { maximumSignificantDigits: 3 })],
  ["nakamoto", (value) => number(value)],
];

const MEASURED = /^(perEntity|perAddress)\.(\w+) (\S+)$/;

/** Say what a flag rests on: a measure with its value, or the warnings about the report. */
function measured(evidence: string): string {
  const [, scope, name, value] = MEASURED.exec(evidence) ?? [];
  const row = ROWS.find(([each]) => each === name);
  if (row && scope) return `${say(`metric_${row[0]}`)} (${say(scope as "perEntity" | "perAddress")}): ${row[1](Number(value))}`;
  const fresh = /^freshWalletShare (\S+)$/.exec(evidence)?.[1];
  if (fresh) return say("shareOfCirculating", { share: percent(Number(fresh)) });
  return evidence
    .split(", ")
    .map((each) => named("warning", each))
    .join(" ");
}

export function Metrics({ map }: { readonly map: TokenMap }) {
  const { perAddress, perEntity, largestClusterShare, deployerClusterShare, freshWalletShare } = map.metrics;
  return (
    <section class="card stack" aria-labelledby="metrics">
      <h2 id="metrics">{say("metrics")}</h2>
      <div class="scroll" tabIndex={0} role="group" aria-labelledby="metrics">
        <table>
          <thead>
            <tr>
              <th scope="col">{say("metric")}</th>
              <th scope="col" class="number">
                {say("perAddress")}
              </th>
              <th scope="col" class="number">
                {say("perEntity")}
              </th>
            </tr>
          </thead>
          <tbody>
            {ROWS.map(([name, write]) => (
              <tr key={name}>
                <th scope="row">
                  {say(`metric_${name}`)}
                  <div class="small quiet">{say(`why_${name}`)}</div>
                </th>
                <td class="number">{write(perAddress[name])}</td>
                <td class="number">{write(perEntity[name])}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <dl class="facts">
        {([["largestCluster", largestClusterShare], ["deployerCluster", deployerClusterShare], ["freshWallets", freshWalletShare]] as const).map(([name, share]) => (
          <div key={name}>
            <dt>{say(name)}</dt>
            <dd>{say("shareOfCirculating", { share: percent(share) })}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

const PARTS = ["circulating", "contracts", "exchanges", "burned", "unknown"] as const;

export function Supply({ map }: { readonly map: TokenMap }) {
  const { supply, token } = map;
  return (
    <section class="card stack" aria-labelledby="supply">
      <h2 id="supply">{say("supply")}</h2>
      <p class="break">
        {tokens(BigInt(token.totalSupply), token.decimals, 0)} <bdi>{shownName(token.symbol ?? "")}</bdi>
      </p>
      <dl class="facts">
        {PARTS.filter((part) => supply[part] > 0).map((part) => (
          <div key={part}>
            <dt>{say(`supply_${part}`)}</dt>
            <dd>
              {percent(supply[part])} <meter value={supply[part]} max={1} aria-label={say(`supply_${part}`)} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

export function Suspicions({ map }: { readonly map: TokenMap }) {
  if (map.suspicions.length === 0) return null;
  return (
    <section class="card stack" aria-labelledby="suspicions">
      <h2 id="suspicions">{say("suspicions")}</h2>
      <p class="quiet">{say("suspicionsHint")}</p>
      <ul class="stack">
        {map.suspicions.map((each) => (
          <li key={each.kind + each.why} class="stack-tight">
            <p>
              <strong>{named("suspicion", each.kind)}</strong> · {say("walletsOf", { n: each.numWallets })} · {say("shareOfCirculating", { share: percent(each.share) })}
            </p>
            <p class="small break">
              <bdi lang="en">{each.why}</bdi>
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}
