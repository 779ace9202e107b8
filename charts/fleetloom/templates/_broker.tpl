{{- /* What operator and api administer the broker's accounts with. Both take root and name. */ -}}
{{- define "fleetloom.brokerEnv" -}}
{{- $broker := .root.Values.broker -}}
- { name: BROKER, value: {{ $broker.kind }} }
{{- if eq $broker.kind "emqx" }}
- { name: EMQX_URL, value: {{ include "fleetloom.emqxValue" (dict "root" .root "key" "apiUrl") | quote }} }
- { name: EMQX_API_KEY_FILE, value: /secrets/emqx-key }
- { name: EMQX_API_SECRET_FILE, value: /secrets/emqx-secret }
{{- else }}
- { name: MQTT_URL, value: {{ $broker.mosquitto.url | quote }} }
- { name: MQTT_USER, value: {{ get $broker.mosquitto (printf "%sUser" .name) | quote }} }
- { name: MQTT_PASSWORD_FILE, value: /secrets/mqtt-password }
{{- end }}
{{- end }}

{{- define "fleetloom.brokerSecrets" -}}
{{- $broker := .root.Values.broker -}}
{{- if eq $broker.kind "emqx" -}}
{{- $secret := include "fleetloom.emqxValue" (dict "root" .root "key" "existingSecret") | quote -}}
- { secret: {{ $secret }}, key: {{ .name }}-key, file: emqx-key }
- { secret: {{ $secret }}, key: {{ .name }}-secret, file: emqx-secret }
{{- else -}}
- { secret: {{ $broker.mosquitto.existingSecret | quote }}, key: {{ .name }}, file: mqtt-password }
{{- end }}
{{- end }}

{{- /* Where messages are taken and published. */ -}}
{{- define "fleetloom.mqttUrl" -}}
{{- if eq .Values.broker.kind "emqx" -}}
{{- include "fleetloom.emqxValue" (dict "root" . "key" "mqttUrl") -}}
{{- else -}}
{{- .Values.broker.mosquitto.url -}}
{{- end -}}
{{- end }}

{{- /* A value of broker.emqx that must not be empty. Takes root and key. */ -}}
{{- define "fleetloom.emqxValue" -}}
{{- $wanted := dict
  "mqttUrl" "where ingest and the alerter connect, such as mqtt://emqx:1883"
  "apiUrl" "the URL of EMQX's REST API, such as http://emqx:18083"
  "existingSecret" "the Secret with operator-key, operator-secret, api-key and api-secret" -}}
{{- get .root.Values.broker.emqx .key | required (printf "broker.emqx.%s is empty: with broker.kind=emqx set it to %s" .key (get $wanted .key)) -}}
{{- end }}
