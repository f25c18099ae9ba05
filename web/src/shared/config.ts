// Load the configuration that the deployment publishes for its pages.

export interface Config {
  readonly issuer: string;
  readonly clientId: string;
  /** Origin of the pages where people sign in and up. */
  readonly signInOrigin: string;
  /** Whether the sign-in pages let new people sign up. */
  readonly signUp: boolean;
}

let loaded: Promise<Config> | undefined;

/** Return the configuration, which is loaded once. */
export function config(): Promise<Config> {
  loaded ??= fetch("/app/config.json").then((response) => {
    if (!response.ok) throw new Error(`config.json: ${response.status}`);
    return response.json() as Promise<Config>;
  });
  loaded.catch(() => (loaded = undefined));
  return loaded;
}
