// Choose a token: chain and address, or one that was viewed before.

import { useState } from "preact/hooks";
import { pathOf } from "./address";
import { short, shownName } from "./model";
import { forget, recent } from "./recent";
import { chains, token } from "./store";
import { say } from "./texts";

const ADDRESS = /^0x[0-9a-fA-F]{40}$/;

export function Search() {
  const offered = chains.value.filter(({ available }) => available);
  const [chain, setChain] = useState(token.value?.chain ?? "");
  const [address, setAddress] = useState(token.value?.address ?? "");
  const [isWrong, setWrong] = useState(false);
  const chosen = chain || offered[0]?.name || "";
  const submit = (event: Event): void => {
    event.preventDefault();
    const text = address.trim();
    setWrong(!ADDRESS.test(text));
    if (ADDRESS.test(text) && chosen) location.assign(pathOf({ chain: chosen, address: text }));
  };
  return (
    <form class="row search" role="search" onSubmit={submit} noValidate>
      <div class="field">
        <label for="chain">{say("chain")}</label>
        <select id="chain" value={chosen} onChange={({ currentTarget }) => setChain(currentTarget.value)}>
          {!offered.some(({ name }) => name === chosen) && chosen && <option value={chosen}>{chosen}</option>}
          {offered.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </div>
      <div class="field grow">
        <label for="address">{say("address")}</label>
        <input
          id="address"
          class="mono"
          value={address}
          placeholder="0x…"
          autocomplete="off"
          spellcheck={false}
          aria-invalid={isWrong}
          aria-describedby={isWrong ? "address-problem" : undefined}
          onInput={({ currentTarget }) => setAddress(currentTarget.value)}
        />
        {isWrong && (
          <span id="address-problem" class="small bad" role="alert">
            {say("addressWrong")}
          </span>
        )}
      </div>
      <button class="primary">{say("showMap")}</button>
    </form>
  );
}

export function RecentTokens() {
  if (recent.value.length === 0) return null;
  return (
    <section class="card stack" aria-labelledby="recent">
      <div class="spread">
        <h2 id="recent">{say("recent")}</h2>
        <button class="plain" onClick={forget}>
          {say("forget")}
        </button>
      </div>
      <ul class="stack">
        {recent.value.map(({ chain, address, name }) => (
          <li key={chain + address}>
            <a href={pathOf({ chain, address })}>
              <bdi>{shownName(name) || say("unnamed")}</bdi> <span class="mono small">{short(address)}</span>
            </a>{" "}
            <span class="quiet small">{chain}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
