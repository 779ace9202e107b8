/**
 * The recordings, from the npm package vega-datasets: Seattle's hourly normals of pressure, temperature and wind (NOAA), and
 * the daily weather of Seattle and New York, 2012 to 2015 (NOAA).
 */
import { readFile } from 'node:fs/promises'

const DATA = new URL('../data/', import.meta.resolve('vega-datasets'))

type CsvRow = Readonly<Record<string, string>>

/** Rows of a CSV without quotes, by the names in its first line. */
export const parseCsv = (text: string): CsvRow[] => {
  const [header = '', ...lines] = text.trim().split(/\r?\n/)
  const names = header.split(',')
  return lines.map((line) => {
    const cells = line.split(',')
    return Object.fromEntries(names.map((name, i) => [name, cells[i] ?? '']))
  })
}

const load = async (file: string): Promise<CsvRow[]> => parseCsv(await readFile(new URL(file, DATA), 'utf8'))

const numbers = <Name extends string>(row: CsvRow, names: readonly Name[]): Record<Name, number> =>
  Object.fromEntries(names.map((name) => [name, Number(row[name])])) as Record<Name, number>

export type HourlyWeather = { readonly pressure: number; readonly temperature: number; readonly wind: number }

/** `MM-DDTHH`, the way hours of a year are looked up. */
const hourKey = (date: Date): string => date.toISOString().slice(5, 13)

/** Normals by the hour of the year; a leap day has the weather of the day before, the missing first hour that of the second. */
export const hourlyNormals = async (): Promise<(date: Date) => HourlyWeather> => {
  const rows = await load('seattle-weather-hourly-normals.csv')
  const byHour = new Map(rows.map((row) => [row.date?.slice(5, 13), numbers(row, ['pressure', 'temperature', 'wind'])]))
  return (date) => {
    const key = hourKey(date).replace('02-29', '02-28').replace('01-01T00', '01-01T01')
    const weather = byHour.get(key)
    if (!weather) throw new Error(`the hourly normals have no ${key}`)
    return weather
  }
}

export type DailyWeather = Record<'precipitation' | 'temp_max' | 'temp_min' | 'wind', number> & { weather: string }

export const CITIES = { seattle: 'Seattle', 'new-york': 'New York' } as const

export type City = keyof typeof CITIES

/** Weather of a city on a day; years beyond the recording's four take the one of them with the same place in the leap cycle. */
export const dailyWeather = async (): Promise<(city: City, date: Date) => DailyWeather> => {
  const rows = await load('weather.csv')
  const byDay = new Map(
    rows.map((row) => [
      `${row.location} ${row.date}`,
      { ...numbers(row, ['precipitation', 'temp_max', 'temp_min', 'wind']), weather: row.weather ?? '' },
    ]),
  )
  return (city, date) => {
    const year = 2012 + (date.getUTCFullYear() % 4)
    const key = `${CITIES[city]} ${year}-${date.toISOString().slice(5, 10)}`
    const weather = byDay.get(key)
    if (!weather) throw new Error(`the daily weather has no ${key}`)
    return weather
  }
}
