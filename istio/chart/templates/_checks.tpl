{{/* What a schema cannot say. */}}
{{- define "greatcircle.checks" }}
{{- $names := dict }}
{{- range .Values.regions }}
{{- if hasKey $names .name }}{{ fail (printf "regions: %s stands twice" .name) }}{{ end }}
{{- $_ := set $names .name true }}
{{- end }}
{{- $whole := dict }}
{{- range $service := .Values.services }}
{{- if not .paths }}
{{- range .hosts }}
{{- if hasKey $whole . }}{{ fail (printf "services: %s and %s both want all of %s; one of them needs paths" (get $whole .) $service.name .) }}{{ end }}
{{- $_ := set $whole . $service.name }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
