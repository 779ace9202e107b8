/** User names that MQTT, both brokers and our topics all take as they are: no wildcard, no level separator, no placeholder. */
export const USERNAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,191}$/

/** Why a user name is refused. */
export const badUsername = (username: string): string =>
  `${JSON.stringify(username)} can not be a user name on the broker: letters, digits, dot, underscore and hyphen, at most 192`
