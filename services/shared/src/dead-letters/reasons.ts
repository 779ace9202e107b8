/** Why a message or row was set aside. The key is a token of the subject `dead.<ns>.<name>.<reason>`; the hint goes to the device. */
export const DEAD_LETTER_REASONS = {
  malformed_json: 'Send one JSON object (or, on a scalar topic, one JSON value), UTF-8, without trailing bytes.',
  not_an_object: 'Send a JSON object whose keys are measurement names.',
  payload_too_large: "Send less than the fleet's limits.payloadBytes, or ask for a larger limit.",
  invalid_device: 'Use a device id of letters, digits, dot, underscore and hyphen, at most 128 characters.',
  unknown_topic: "Publish to one of the fleet's telemetry or event topics.",
  no_measurement: 'Send at least one measurement that the fleet declares.',
  unknown_measurement: 'Add the measurement to the fleet (spec.measurements), then replay the dead letter.',
  wrong_type: "Send the type that the fleet's schema declares for this field.",
  out_of_range: 'Send a value between minimum and maximum of the measurement.',
  not_finite: 'Send a finite number; NaN, Infinity and numbers beyond 1.8e308 can not be stored.',
  invalid_timestamp: 'Send the timestamp in the unit that the fleet declares (payload.timestampUnit).',
  timestamp_too_old: 'Check the clock of the device; older readings need a larger payload.acceptPast.',
  timestamp_too_new: 'Check the clock of the device; it runs ahead by more than payload.acceptFuture.',
  invalid_event:
    'Send an event as a JSON object with the text "type" and, where wanted, "severity" (low, medium, high, critical), "user", "address" and an object "metadata".',
  database_rejected: 'The database refused this row; the detail holds its words.',
  foreign_fleet: 'The batch was made for another fleet of the same name that has been deleted.',
  notification_failed:
    'The receiver did not take the notification; the detail says why. Mend the receiver; the next one is tried anew.',
  notification_silenced: 'A silence held the notification back; the detail names it.',
} as const

export type DeadLetterReason = keyof typeof DEAD_LETTER_REASONS
