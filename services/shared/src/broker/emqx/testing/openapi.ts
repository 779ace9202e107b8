/**
 * Whether requests are ones that an OpenAPI 3.0 document describes: path, method, query and body. As much of its schemas
 * as EMQX's use.
 */
import type { Asked } from './server.ts'
import type { Fields } from './state.ts'

type Schema = {
  readonly $ref?: string
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly enum?: readonly unknown[]
  readonly oneOf?: readonly Schema[]
  readonly items?: Schema
  readonly minimum?: number
  readonly maximum?: number
}
type Parameter = {
  readonly $ref?: string
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly schema: Schema
}
type Operation = {
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> } | null
}
type Document = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: Fields
}

/** Where the document is wrong: it calls an import's body an object, and the broker takes only a list. */
const KNOWN_ERRORS = /import_users: body is no object$/

class Checker {
  readonly #document: Document

  constructor(document: Document) {
    this.#document = document
  }

  check({ method, path, query, body }: Asked): string[] {
    const what = `${method} /${decodeURIComponent(path)}`
    const operation = this.#operation(method, path)
    if (!operation) return [`${what}: not in the document`]
    const faults = [...this.#query(operation, new URLSearchParams(query)), ...this.#body(operation, body)]
    return faults.map((fault) => `${what}: ${fault}`).filter((fault) => !KNOWN_ERRORS.test(fault))
  }

  #operation(method: string, path: string): Operation | undefined {
    const segments = path.split('/')
    const fits = (template: string): boolean => {
      const wanted = template.slice(1).split('/')
      return (
        wanted.length === segments.length && wanted.every((part, i) => part.startsWith('{') || part === segments[i])
      )
    }
    const open = (template: string): number => template.split('{').length
    const templates = Object.keys(this.#document.paths)
      .filter(fits)
      .sort((a, b) => open(a) - open(b))
    return templates
      .map((template) => this.#document.paths[template]?.[method.toLowerCase()])
      .find((one) => one !== undefined)
  }

  #query({ parameters = [] }: Operation, query: URLSearchParams): string[] {
    const known = parameters.map((one) => this.#resolve(one)).filter((one) => one.in === 'query')
    const missing = known
      .filter(({ name, required }) => required === true && !query.has(name))
      .map(({ name }) => `query ${name} is missing`)
    const faults = [...query].flatMap(([name, value]) => {
      const parameter = known.find((one) => one.name === name)
      if (!parameter) return [`query ${name} is not known`]
      return this.#text(parameter.schema, value) ? [] : [`query ${name}=${value} does not fit`]
    })
    return [...missing, ...faults]
  }

  /** A value in a query is text, and a list in one text is joined by commas. */
  #text(schema: Schema, text: string): boolean {
    const { type, items, oneOf } = this.#resolve(schema)
    if (oneOf) return oneOf.some((one) => this.#text(one, text))
    if (type === 'array' && items) return text.split(',').every((part) => this.#text(items, part))
    const value = type === 'integer' ? Number(text) : type === 'boolean' ? text === 'true' : text
    return this.#faults(schema, value, 'query').length === 0
  }

  #body({ requestBody }: Operation, body: unknown): string[] {
    const schema = requestBody?.content['application/json']?.schema
    if (schema === undefined) return body === undefined ? [] : ['takes no body']
    return body === undefined ? ['needs a body'] : this.#faults(schema, body, 'body')
  }

  #faults(given: Schema, value: unknown, at: string): string[] {
    const schema = this.#resolve(given)
    if (schema.oneOf)
      return schema.oneOf.some((one) => this.#faults(one, value, at).length === 0) ? [] : [`${at} fits no alternative`]
    if (schema.enum) return schema.enum.includes(value) ? [] : [`${at} is none of ${schema.enum.join(' ')}`]
    const check = { object: this.#object, array: this.#array, integer: this.#number, number: this.#number }[
      schema.type ?? ''
    ]
    if (check) return check.call(this, schema, value, at)
    return schema.type === undefined || typeof value === schema.type ? [] : [`${at} is no ${schema.type}`]
  }

  #object({ properties = {}, required = [] }: Schema, value: unknown, at: string): string[] {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${at} is no object`]
    const missing = required.filter((key) => !(key in value)).map((key) => `${at}.${key} is missing`)
    const isOpen = Object.keys(properties).length === 0
    const faults = Object.entries(value).flatMap(([key, one]) => {
      const schema = properties[key]
      if (schema) return this.#faults(schema, one, `${at}.${key}`)
      return isOpen ? [] : [`${at}.${key} is not known`]
    })
    return [...missing, ...faults]
  }

  #array({ items = {} }: Schema, value: unknown, at: string): string[] {
    return Array.isArray(value)
      ? value.flatMap((one, i) => this.#faults(items, one, `${at}.${i}`))
      : [`${at} is no list`]
  }

  #number({ minimum = -Infinity, maximum = Infinity }: Schema, value: unknown, at: string): string[] {
    return typeof value === 'number' && value >= minimum && value <= maximum ? [] : [`${at} is no such number`]
  }

  #resolve<T extends { readonly $ref?: string }>(one: T): T {
    if (one.$ref === undefined) return one
    const path = one.$ref.slice(2).split('/')
    return this.#resolve(path.reduce<unknown>((at, key) => (at as Fields)[key], this.#document) as T)
  }
}

/** Faults of a request, in words; empty when the document describes it. */
export const openapiCheck = (document: unknown): ((asked: Asked) => string[]) => {
  const checker = new Checker(document as Document)
  return (asked) => checker.check(asked)
}
