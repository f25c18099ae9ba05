// Show what surrounds every page: navigation, settings, the offline banner.

import type { ComponentChildren } from "preact";
import { online } from "./online";
import { applyTheme, theme, type Theme } from "./preferences";
import { session } from "./session";
import { say } from "./texts";
import { choose, type Language, language, LANGUAGES } from "./words";

export interface Link {
  readonly address: string;
  readonly text: string;
}

interface FrameProps {
  readonly links: readonly Link[];
  readonly current: string;
  readonly children: ComponentChildren;
}

export function Frame({ links, current, children }: FrameProps) {
  return (
    <>
      <a class="skip" href="#main">
        {say("skip")}
      </a>
      <header class="bar">
        <a class="brand" href="/app/">
          <img src="/app/icon.svg" width="28" height="28" alt="" />
          Vouch
        </a>
        <nav aria-label={say("navigation")}>
          {links.map(({ address, text }) => (
            <a key={address} href={address} aria-current={address === current ? "page" : undefined}>
              {text}
            </a>
          ))}
        </nav>
        <Settings />
      </header>
      {!online.value && (
        <p class="banner" role="status">
          {say("offline")}
        </p>
      )}
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}

function Settings() {
  return (
    <div class="row">
      <select class="compact" aria-label={say("language")} value={language.value} onChange={({ currentTarget }) => void choose(currentTarget.value as Language)}>
        {Object.entries(LANGUAGES).map(([code, name]) => (
          <option key={code} value={code} lang={code}>
            {name}
          </option>
        ))}
      </select>
      <select class="compact" aria-label={say("theme")} value={theme.value} onChange={({ currentTarget }) => applyTheme(currentTarget.value as Theme)}>
        <option value="auto">{say("themeAuto")}</option>
        <option value="light">{say("themeLight")}</option>
        <option value="dark">{say("themeDark")}</option>
      </select>
      {session.state.value === "signed-in" && (
        <button class="compact" onClick={() => void session.signOut()}>
          {say("signOut")}
        </button>
      )}
      {session.state.value === "signed-out" && (
        <button class="compact" onClick={() => void session.signIn()}>
          {say("signIn")}
        </button>
      )}
    </div>
  );
}
