// Show the referral code, to copy, share or scan.

import { useEffect, useState } from "preact/hooks";
import { call } from "../../shared/api";
import type { CodeList } from "../../shared/description";
import { Problem } from "../../shared/problem";
import { useAction, useResource } from "../../shared/resource";
import { say } from "../../shared/texts";
import { account } from "../live";
import { go } from "../router";
import { t } from "../texts";

interface CodeCardProps {
  readonly code: string | null;
  readonly first: CodeList | null | undefined;
}

export function CodeCard({ code, first }: CodeCardProps) {
  const codes = useResource((signal) => call("GET /v1/referral/codes", { signal }), [code, account.value], first);
  const details = codes.data?.items.find((each) => each.code === code);
  const [said, setSaid] = useState("");
  const [shown, setShown] = useState(false);
  useEffect(() => setSaid(""), [code]);
  if (!code) return <NoCode />;
  const copy = async (text: string) => {
    await navigator.clipboard.writeText(text);
    setSaid(say("copied"));
  };
  return (
    <section class="card stack" aria-labelledby="code">
      <h2 id="code">{t("yourCode")}</h2>
      <p class="big mono" data-test="code">
        {code}
      </p>
      <p class="quiet">{details && details.state !== "active" ? t(`code_${details.state}`) : t("codeFor")}</p>
      <div class="row">
        <button class="primary" onClick={() => void copy(details?.url ?? code)}>
          {t("copyLink")}
        </button>
        <button onClick={() => void copy(code)}>{t("copyCode")}</button>
        {"share" in navigator && details && (
          <button onClick={() => void navigator.share({ title: "Vouch", text: t("shareText"), url: details.url }).catch(() => undefined)}>{t("share")}</button>
        )}
        <button aria-expanded={shown} onClick={() => setShown(!shown)}>
          {t("qr")}
        </button>
        <button onClick={() => go("/app/invite")}>{t("byMail")}</button>
      </div>
      <p class="small good" role="status">
        {said}
      </p>
      {shown && <Qr code={code} />}
    </section>
  );
}

/** The code's QR picture, which the API draws; a token is needed, so it is loaded as a blob. */
function Qr({ code }: { readonly code: string }) {
  const picture = useResource(async (signal) => URL.createObjectURL(new Blob([await call("GET /v1/referral/codes/{code}/qr", { path: { code }, signal })], { type: "image/svg+xml" })), [code]);
  const address = picture.data;
  useEffect(() => () => address && URL.revokeObjectURL(address), [address]);
  if (!address) return picture.error ? <Problem error={picture.error} retry={picture.reload} /> : null;
  return (
    <div class="stack">
      <img class="qr" src={address} width="220" height="220" alt={t("qrFor", { code })} />
      <div class="row">
        <button onClick={() => void savePng(address, `vouch-${code}.png`)}>{t("savePng")}</button>
      </div>
    </div>
  );
}

async function savePng(address: string, name: string): Promise<void> {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1024;
  const context = canvas.getContext("2d")!;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, 1024, 1024);
  context.imageSmoothingEnabled = false;
  context.drawImage(image, 0, 0, 1024, 1024);
  const link = document.createElement("a");
  link.href = canvas.toDataURL("image/png");
  link.download = name;
  link.click();
}

function NoCode() {
  const issued = useAction(async () => {
    await call("POST /v1/referral/codes", { body: { kind: "random" } });
  });
  return (
    <section class="card stack">
      <h2>{t("yourCode")}</h2>
      <p class="quiet">{t("noCode")}</p>
      <div class="row">
        <button class="primary" disabled={issued.busy} onClick={() => void issued.run()}>
          {t("newCode")}
        </button>
      </div>
      <Problem error={issued.error} retry={() => void issued.run()} />
    </section>
  );
}
