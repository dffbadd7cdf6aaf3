{{/* The host of a service in the mesh. */}}
{{- define "greatcircle.host" -}}
{{ .name }}.{{ .namespace }}.svc.cluster.local
{{- end }}

{{/* T2: one host for all regions' gateways. */}}
{{- define "greatcircle.regionsHost" -}}
regions.greatcircle.internal
{{- end }}

{{/* The service that is probed. */}}
{{- define "greatcircle.probed" -}}
{{- $wanted := .Values.probedService | default (first .Values.services).name -}}
{{- range .Values.services }}{{ if eq .name $wanted }}{{ toYaml . }}{{ end }}{{ end }}
{{- end }}

{{/* The label that tells a region's endpoints, and its value there. T2 labels the endpoints itself. */}}
{{- define "greatcircle.regionLabel" -}}
{{ eq .Values.topology "T2" | ternary "greatcircle/region" .Values.regionLabel }}
{{- end }}
