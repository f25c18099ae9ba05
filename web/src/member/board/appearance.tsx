// Choose the name that others see on the leaderboards, or hide it.

import { useEffect, useRef, useState } from "preact/hooks";
import { call, Refusal } from "../../shared/api";
import type { Profile } from "../../shared/description";
import { Problem } from "../../shared/problem";
import { useAction, useResource } from "../../shared/resource";
import { language } from "../../shared/words";
import { Field } from "../field";
import { account } from "../live";
import { t } from "../texts";

/** In UTF-16 units, of which an emoji has several; the server counts characters, up to 40. */
const LONGEST_INPUT = 160;

export function Appearance({ done }: { readonly done: () => void }) {
  const loaded = useResource((signal) => call("GET /v1/me/profile", { signal }), [account.value?.displayName, account.value?.onBoards]);
  return (
    <section class="card stack" aria-labelledby="appearance" data-test="appearance">
      <h2 id="appearance">{t("appearance")}</h2>
      <Problem error={loaded.error} retry={loaded.reload} />
      {loaded.data && <Form profile={loaded.data} done={done} />}
    </section>
  );
}

function Form({ profile, done }: { readonly profile: Profile; readonly done: () => void }) {
  const [edited, setEdited] = useState(profile);
  const [saved, setSaved] = useState(false);
  const key = useRef(crypto.randomUUID());
  const isChanged = useRef(false);
  useEffect(() => {
    if (!isChanged.current) setEdited(profile); // what is being edited stays
  }, [profile]);
  const saving = useAction(async () => {
    const sent = key.current;
    const name = edited.displayName?.trim() || null;
    const stored = await call("PUT /v1/me/profile", { body: { ...edited, displayName: name }, key: sent });
    done();
    if (key.current !== sent) return; // edited again meanwhile
    key.current = crypto.randomUUID();
    isChanged.current = false;
    setEdited(stored);
    setSaved(true);
  });
  const change = (part: Partial<Profile>) => {
    isChanged.current = true;
    setSaved(false);
    saving.clear();
    key.current = crypto.randomUUID();
    setEdited({ ...edited, ...part });
  };
  const submit = (event: Event) => {
    event.preventDefault();
    void saving.run();
  };
  const wrong = wrongName(saving.error);
  return (
    <form class="stack" onSubmit={submit} noValidate>
      <Field id="display-name" label={t("displayName")} hint={t("displayNameHint")} wrong={wrong}>
        {(described) => (
          <input
            id="display-name"
            dir="auto"
            autocomplete="nickname"
            maxLength={LONGEST_INPUT}
            value={edited.displayName ?? ""}
            onInput={({ currentTarget }) => change({ displayName: currentTarget.value })}
            {...described}
          />
        )}
      </Field>
      <div class="field">
        <label class="row">
          <input type="checkbox" checked={edited.onBoards} aria-describedby="on-boards-more" onChange={({ currentTarget }) => change({ onBoards: currentTarget.checked })} />
          {t("onBoards")}
        </label>
        <span class="small quiet" id="on-boards-more">
          {t("onBoardsHint")}
        </span>
      </div>
      <div class="row">
        <button class="primary" disabled={saving.busy}>
          {t("saveAppearance")}
        </button>
        <span class="good" role="status">
          {saved && t("appearanceSaved")}
        </span>
      </div>
      {wrong === undefined && <Problem error={saving.error} />}
    </form>
  );
}

/** What is wrong with the name: exactly in English, and the rule in other languages. */
function wrongName(error: unknown): string | undefined {
  const found = error instanceof Refusal ? error.errors.find(({ field }) => field === "displayName") : undefined;
  return found && (language.value === "en" ? found.detail : t("displayNameRule"));
}
