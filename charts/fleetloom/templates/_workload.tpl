{{- /* A service of ours: Pods, Service, account and disruption budget. Takes root, name, kind (Deployment or StatefulSet), env and secrets
(YAML lists), and optionally serviceType. A secret is {secret, key, file}: that key alone is mounted, as /secrets/FILE. */ -}}
{{- define "fleetloom.workload" -}}
{{- $fullName := printf "%s-%s" .root.Release.Name .name -}}
{{- $values := index .root.Values .name -}}
{{- $stable := eq .kind "StatefulSet" -}}
apiVersion: apps/v1
kind: {{ .kind }}
metadata:
  name: {{ $fullName }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "fleetloom.labels" . | nindent 4 }}
spec:
  replicas: {{ $values.replicas }}
  {{- if $stable }}
  serviceName: {{ $fullName }}
  podManagementPolicy: Parallel
  {{- end }}
  selector:
    matchLabels: {{- include "fleetloom.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "fleetloom.labels" . | nindent 8 }}
    spec:
      serviceAccountName: {{ $fullName }}
      automountServiceAccountToken: {{ eq .name "operator" }}
      enableServiceLinks: false
      # A process stops within 25 s or ends itself; what clients reach by its Service goes on until the Service knows.
      terminationGracePeriodSeconds: {{ empty .serviceType | ternary 30 35 }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile: { type: RuntimeDefault }
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "fleetloom.selector" . | nindent 14 }}
          {{- if not $stable }}
          # The pods that a rollout takes away are not counted.
          matchLabelKeys: [pod-template-hash]
          {{- end }}
      containers:
        - name: {{ .name }}
          image: {{ printf "%s/fleetloom-%s:%s" .root.Values.image.registry .name (.root.Values.image.tag | default .root.Chart.AppVersion) | quote }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: { drop: [ALL] }
          env:
            - name: REPLICA
              valueFrom: { fieldRef: { fieldPath: metadata.name } }
            {{- if $stable }}
            - name: POD_INDEX
              valueFrom: { fieldRef: { fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']" } }
            {{- end }}
            - { name: INSTALLATION, value: {{ .root.Values.installation | quote }} }
            - { name: LOG_LEVEL, value: {{ .root.Values.logLevel | quote }} }
            - { name: HTTP_HOST, value: 0.0.0.0 }
            - { name: HTTP_PORT, value: "8080" }
            - { name: NATS_URL, value: {{ .root.Values.nats.url | quote }} }
            - { name: NATS_USER, value: {{ .name }} }
            - { name: NATS_PASSWORD_FILE, value: /secrets/nats-password }
            # A young generation of 6 MB, one helper thread and one malloc arena that gives back what is freed.
            - { name: NODE_OPTIONS, value: "--max-semi-space-size=2 --v8-pool-size=1" }
            - { name: MALLOC_ARENA_MAX, value: "1" }
            - { name: MALLOC_TRIM_THRESHOLD_, value: "131072" }
            - { name: MALLOC_MMAP_THRESHOLD_, value: "131072" }
            {{- .env | nindent 12 }}
          ports:
            - { name: http, containerPort: 8080 }
            {{- if eq .name "operator" }}
            - { name: webhook, containerPort: 9443 }
            {{- end }}
          {{- if .serviceType }}
          lifecycle: { preStop: { sleep: { seconds: 5 } } }
          {{- end }}
          # A process waits for NATS before it answers: one that is away for long is no reason to end it.
          startupProbe:
            httpGet: { path: /healthz, port: http }
            periodSeconds: 1
            failureThreshold: 3600
          livenessProbe:
            httpGet: { path: /healthz, port: http }
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: { path: /readyz, port: http }
            periodSeconds: 5
            timeoutSeconds: 3
          resources: {{- toYaml $values.resources | nindent 12 }}
          volumeMounts:
            - { name: secrets, mountPath: /secrets, readOnly: true }
      volumes:
        - name: secrets
          projected:
            defaultMode: 0440
            sources:
              - secret:
                  name: {{ .root.Values.nats.existingSecret | quote }}
                  items: [{ key: {{ .name }}, path: nats-password }]
              {{- range fromYamlArray .secrets }}
              - secret:
                  name: {{ .secret | quote }}
                  items: [{ key: {{ .key }}, path: {{ .file }} }]
              {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $fullName }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "fleetloom.labels" . | nindent 4 }}
spec:
  {{- if .serviceType }}
  type: {{ .serviceType }}
  {{- else }}
  clusterIP: None
  {{- end }}
  selector: {{- include "fleetloom.selector" . | nindent 4 }}
  ports:
    - { name: http, port: 8080, targetPort: http }
{{- if gt (int $values.replicas) 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $fullName }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "fleetloom.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  # Pods that wait for a server that is away hold up no drain.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "fleetloom.selector" . | nindent 6 }}
{{- end }}
{{- if ne .name "operator" }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $fullName }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "fleetloom.labels" . | nindent 4 }}
automountServiceAccountToken: false
{{- end }}
{{- end }}

{{- define "fleetloom.selector" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/name: fleetloom-{{ .name }}
{{- end }}

{{- define "fleetloom.labels" -}}
{{ include "fleetloom.selector" . }}
app.kubernetes.io/part-of: fleetloom
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "fleetloom.questdbEnv" -}}
- { name: QUESTDB_URL, value: {{ .Values.questdb.url | quote }} }
- { name: QUESTDB_USER, value: {{ .Values.questdb.user | quote }} }
- { name: QUESTDB_PASSWORD_FILE, value: /secrets/questdb-password }
{{- end }}
