// Explain the selected holder or cluster: what it holds, and which transactions show it.

import { useEffect, useRef, useState } from "preact/hooks";
import { say as sayShared } from "../shared/texts";
import { moment } from "../shared/words";
import type { Evidence, HolderTransfers } from "../shared/description";
import { bridges } from "./bridges";
import { type Cluster, type Holder, type Model, short, shownName } from "./model";
import { explorer, picture, show, shown } from "./store";
import { Swatch } from "./swatch";
import { named, percent, say, tokens } from "./texts";

const MOST_ROWS = 5;

export function Detail() {
  const heading = useRef<HTMLHeadingElement>(null);
  const { selected } = shown.value;
  const model = picture.value?.model;
  const holder = selected === null ? undefined : model?.holders.get(selected);
  const cluster = selected === null ? undefined : model?.clusters.get(selected);
  useEffect(() => {
    if (selected !== null) heading.current?.scrollIntoView({ block: "nearest" }); // else the page begins at its top
  }, [selected]);
  if (!model) return null;
  return (
    <section class="card stack detail" aria-labelledby="detail-title">
      <div class="spread">
        <h2 id="detail-title" ref={heading}>
          {holder ? say("holder") : cluster ? say("cluster", { rank: cluster.facts.rank }) : say("detailTitle")}
        </h2>
        {selected !== null && (
          <button class="plain" onClick={() => show({ selected: null })}>
            {sayShared("close")}
          </button>
        )}
      </div>
      {selected === null && <p class="quiet">{say("detailHint")}</p>}
      {selected !== null && !holder && !cluster && <p class="quiet">{say("notShown", { id: selected })}</p>}
      {holder && <HolderDetail holder={holder} model={model} />}
      {cluster && <ClusterDetail cluster={cluster} model={model} />}
    </section>
  );
}

/** Say politely what is selected. */
export function Announcement() {
  const { selected } = shown.value;
  const model = picture.value?.model;
  const holder = selected === null ? undefined : model?.holders.get(selected);
  const cluster = selected === null ? undefined : model?.clusters.get(selected);
  const text = holder ? `${holder.address}, ${shareOf(holder)}` : cluster ? `${say("clusterOf", { rank: cluster.facts.rank, n: cluster.facts.numMembers })}, ${say("shareOfCirculating", { share: percent(cluster.facts.share) })}` : "";
  return (
    <p class="visually-hidden" role="status" aria-live="polite" data-test="announcement">
      {text}
    </p>
  );
}

function shareOf({ ofCirculating, ofSupply }: Holder): string {
  return ofCirculating === null ? say("shareOfSupply", { share: percent(ofSupply) }) : say("shareOfCirculating", { share: percent(ofCirculating) });
}

function HolderDetail({ holder, model }: { readonly holder: Holder; readonly model: Model }) {
  const { map } = model;
  const cluster = holder.clusterId === null ? undefined : model.clusters.get(holder.clusterId);
  const why = cluster?.facts.evidence.filter(({ from, to, via }) => [from, to, ...via].includes(holder.address)) ?? [];
  const excluded = map.exclusions.find(({ address }) => address === holder.address);
  const transfers = map.transfers.filter(({ source, target }) => source === holder.address || target === holder.address);
  const distributor = model.distributors.get(holder.address);
  return (
    <>
      <Address address={holder.address} />
      <dl class="facts">
        {holder.label && <Fact name={say("label")} value={<bdi>{shownName(holder.label)}</bdi>} />}
        <Fact name={say("kind")} value={named("kind", holder.kind)} />
        <Fact name={say("amount")} value={<Amount amount={holder.amount} model={model} />} />
        <Fact name={say("share")} value={<Shares holder={holder} />} />
        {holder.rank !== null && <Fact name={say("rank")} value={say("rankOf", { rank: holder.rank, n: map.listedHolders })} />}
        {holder.firstFunder && <Fact name={say("firstFunder")} value={<Reference address={holder.firstFunder} model={model} />} />}
        {cluster && <Fact name={say("belongsTo")} value={<ClusterLink cluster={cluster} />} />}
      </dl>
      {holder.isIntermediary && <p class="notice small">{say("intermediary")}</p>}
      {distributor !== undefined && <p class="notice small">{say("distributor", { n: distributor })}</p>}
      {excluded && (
        <p class="notice small break">
          {say("excluded")} {named("basis", excluded.basis)}: <bdi lang="en">{excluded.why}</bdi>
        </p>
      )}
      <EvidenceList title={say("why")} evidence={why} model={model} />
      <Transfers transfers={transfers} address={holder.address} model={model} />
    </>
  );
}

function ClusterDetail({ cluster, model }: { readonly cluster: Cluster; readonly model: Model }) {
  const { facts } = cluster;
  const weak = facts.confidence === "low" ? bridges(facts.evidence) : [];
  return (
    <>
      <p class="row">
        <Swatch cluster={cluster.id} />
        {facts.label && <bdi>{shownName(facts.label)}</bdi>}
      </p>
      <dl class="facts">
        <Fact name={say("members")} value={say("membersOf", { n: facts.numMembers })} />
        <Fact name={say("amount")} value={<Amount amount={BigInt(facts.amount)} model={model} />} />
        <Fact name={say("share")} value={say("shareOfCirculating", { share: percent(facts.share) })} />
        {typeof facts.shareOfSupply === "number" && <Fact name="" value={say("shareOfSupply", { share: percent(facts.shareOfSupply) })} />}
        <Fact name={say("confidence")} value={named("confidence", facts.confidence)} />
      </dl>
      {facts.split && <p class="notice small">{say("split")}</p>}
      <EvidenceList title={say("fallsApart")} evidence={weak} model={model} />
      <EvidenceList title={say("why")} evidence={facts.evidence} model={model} />
    </>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="break">{value}</dd>
    </div>
  );
}

function Shares({ holder }: { readonly holder: Holder }) {
  return (
    <>
      {holder.ofCirculating !== null && <div>{say("shareOfCirculating", { share: percent(holder.ofCirculating) })}</div>}
      <div>{say("shareOfSupply", { share: percent(holder.ofSupply) })}</div>
    </>
  );
}

function Amount({ amount, model }: { readonly amount: bigint; readonly model: Model }) {
  const { decimals, symbol } = model.map.token;
  return (
    <>
      {tokens(amount, decimals)} <bdi>{shownName(symbol ?? "")}</bdi>
    </>
  );
}

export function ClusterLink({ cluster }: { readonly cluster: Cluster }) {
  return (
    <button class="plain" onClick={() => show({ selected: cluster.id })}>
      {say("clusterOf", { rank: cluster.facts.rank, n: cluster.facts.numMembers })}
    </button>
  );
}

function Address({ address }: { readonly address: string }) {
  return (
    <div class="row">
      <span class="mono break">{address}</span>
      <Copy text={address} />
      <ExplorerLink path={`address/${address}`} text={say("openExplorer")} />
    </div>
  );
}

export function Copy({ text, label }: { readonly text: string; readonly label?: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <button class="compact" onClick={() => void copy()}>
      {isCopied ? sayShared("copied") : (label ?? sayShared("copy"))}
    </button>
  );
}

function ExplorerLink({ path, text }: { readonly path: string; readonly text: string }) {
  if (explorer.value === null) return null;
  return (
    <a href={`${explorer.value}/${path}`} target="_blank" rel="noopener noreferrer">
      {text}
    </a>
  );
}

/** An address that can be selected if it is on the map. */
function Reference({ address, model }: { readonly address: string; readonly model: Model }) {
  if (!model.holders.has(address)) return <span class="mono" title={address}>{short(address)}</span>;
  return (
    <button class="plain mono" title={address} onClick={() => show({ selected: address })}>
      {short(address)}
    </button>
  );
}

function EvidenceList({ title, evidence, model }: { readonly title: string; readonly evidence: readonly Evidence[]; readonly model: Model }) {
  const [isAll, setAll] = useState(false);
  if (evidence.length === 0) return null;
  return (
    <div class="stack">
      <h3>{title}</h3>
      <ol class="evidence">
        {evidence.slice(0, isAll ? undefined : MOST_ROWS).map((each) => (
          <li key={`${each.type}${each.from}${each.to}${each.txHash}`}>
            <p>
              <Reference address={each.from} model={model} /> → <Reference address={each.to} model={model} />
            </p>
            <p class="small">
              <strong>{named("evidence", each.type)}</strong> · <bdi lang="en">{each.why}</bdi>
            </p>
            {each.via.length > 0 && (
              <p class="small">
                {say("via")} {each.via.map((address) => <Reference key={address} address={address} model={model} />)}
              </p>
            )}
            <p class="small quiet">
              {say("block", { block: each.block })} · <Transaction hash={each.txHash} />
            </p>
          </li>
        ))}
      </ol>
      {!isAll && evidence.length > MOST_ROWS && <button onClick={() => setAll(true)}>{say("showAll", { n: evidence.length })}</button>}
    </div>
  );
}

function Transaction({ hash }: { readonly hash: string }) {
  return explorer.value === null ? <span class="mono break">{short(hash)}</span> : <ExplorerLink path={`tx/${hash}`} text={short(hash)} />;
}

function Transfers({ transfers, address, model }: { readonly transfers: readonly HolderTransfers[]; readonly address: string; readonly model: Model }) {
  if (transfers.length === 0) return null;
  return (
    <div class="stack">
      <h3>{say("transfersTitle")}</h3>
      <p class="small quiet">{say("transfersHint")}</p>
      <ol class="evidence">
        {transfers.slice(0, MOST_ROWS).map((each) => (
          <li key={each.source + each.target}>
            <p>
              {each.source === address ? say("sentTo") : say("receivedFrom")} <Reference address={each.source === address ? each.target : each.source} model={model} />
            </p>
            <p class="small">
              <Amount amount={BigInt(each.amount)} model={model} /> · {say("transferCount", { n: each.count })}
              {typeof each.last.timestamp === "number" && ` · ${moment(each.last.timestamp)}`}
            </p>
          </li>
        ))}
      </ol>
    </div>
  );
}
