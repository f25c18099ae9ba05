// Invite one person by mail.

import { useRef, useState } from "preact/hooks";
import { call, Refusal } from "../../shared/api";
import { Problem } from "../../shared/problem";
import { useAction } from "../../shared/resource";
import { language, type Language, LANGUAGES } from "../../shared/words";
import { Field } from "../field";
import { t } from "../texts";

const NAME = "vouch.name";
const LONGEST_NOTE = 280;

export function InviteForm({ done }: { readonly done: () => void }) {
  const [email, setEmail] = useState("");
  const [note, setNote] = useState("");
  const [name, setName] = useState(sessionStorage.getItem(NAME) ?? "");
  const [locale, setLocale] = useState<Language>(language.value);
  const [sentTo, setSentTo] = useState("");
  const key = useRef(crypto.randomUUID());
  const address = useRef<HTMLInputElement>(null);
  const sending = useAction(async () => {
    await call("POST /v1/invites", { body: { email, note, name, locale }, key: key.current });
    key.current = crypto.randomUUID();
    sessionStorage.setItem(NAME, name);
    setSentTo(email);
    // what was typed meanwhile stays, for the next invitation
    setEmail((typed) => (typed === email ? "" : typed));
    setNote((typed) => (typed === note ? "" : typed));
    address.current?.focus();
    done();
  });
  const wrong = (field: string) => (sending.error instanceof Refusal ? sending.error.errors.find((each) => each.field === field)?.detail : undefined);
  const submit = (event: Event) => {
    event.preventDefault();
    setSentTo("");
    if (sending.error instanceof Refusal && sending.error.status < 500 && sending.error.status > 0) key.current = crypto.randomUUID();
    void sending.run();
  };
  return (
    <form class="stack" onSubmit={submit} noValidate>
      <Field id="email" label={t("email")} wrong={wrong("email")}>
        {(described) => <input ref={address} id="email" type="email" autocomplete="off" required maxLength={254} value={email} onInput={({ currentTarget }) => setEmail(currentTarget.value)} {...described} />}
      </Field>
      <Field id="note" label={t("note")} hint={t("noteHint", { n: LONGEST_NOTE - [...note].length })} wrong={wrong("note")}>
        {(described) => <textarea id="note" maxLength={2 * LONGEST_NOTE} value={note} onInput={({ currentTarget }) => setNote(currentTarget.value)} {...described} />}
      </Field>
      <div class="grid two">
        <Field id="name" label={t("name")} hint={t("nameHint")} wrong={wrong("name")}>
          {(described) => <input id="name" autocomplete="name" maxLength={80} value={name} onInput={({ currentTarget }) => setName(currentTarget.value)} {...described} />}
        </Field>
        <Field id="locale" label={t("mailLanguage")}>
          {(described) => (
            <select id="locale" value={locale} onChange={({ currentTarget }) => setLocale(currentTarget.value as Language)} {...described}>
              {Object.entries(LANGUAGES).map(([code, text]) => (
                <option key={code} value={code} lang={code}>
                  {text}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      <div class="row">
        <button class="primary" disabled={sending.busy || !email}>
          {t("send")}
        </button>
        <span class="good break" role="status">
          {sentTo && t("sentTo", { email: sentTo })}
        </span>
      </div>
      <Problem error={sending.error} />
    </form>
  );
}
