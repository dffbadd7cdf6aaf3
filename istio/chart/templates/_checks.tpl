{{/* What a schema cannot say. */}}
{{- define "greatcircle.checks" }}
{{- $names := dict }}
{{- range .Values.regions }}
{{- if hasKey $names .name }}{{ fail (printf "regions: %s stands twice" .name) }}{{ end }}
{{- $_ := set $names .name true }}
{{- end }}
{{- end }}
