{{- define "tracee.name" -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "tracee.selector" -}}
app.kubernetes.io/name: tracee
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tracee.labels" -}}
{{ include "tracee.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end -}}

{{- define "tracee.account" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "tracee.name" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}
