package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// Formats of -o.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatYAML  = "yaml"
)

func checkFormat(format string) error {
	switch format {
	case formatTable, formatJSON, formatYAML:
		return nil
	}
	return usagef("-o is %q; it is one of table, json, yaml", format)
}

// print writes data to stdout: as text by table, or as the structure itself, whose fields are those of workflows/spec.
func (c *cli) print(data any, table func(io.Writer)) error {
	switch c.format {
	case formatJSON:
		return writeJSON(c.out, data)
	case formatYAML:
		return writeYAML(c.out, data)
	}
	table(c.out)
	return nil
}

func writeJSON(w io.Writer, data any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(data)
}

// writeYAML writes exactly the JSON's fields in their order: JSON is YAML, so only its style changes.
func writeYAML(w io.Writer, data any) error {
	var text bytes.Buffer
	if err := writeJSON(&text, data); err != nil {
		return err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text.Bytes(), &document); err != nil {
		return fmt.Errorf("writing YAML: %w", err)
	}
	plain(&document)
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return err
	}
	return encoder.Close()
}

// surelyText is text that no YAML reader takes for something else: older ones read yes, off, 12:30 and 2026-11-22 as
// booleans, numbers and dates.
var surelyText = regexp.MustCompile(`^[A-Za-z_/]`)

var oldBoolean = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null)$`)

// plain takes JSON's braces and quotes away where that is safe; empty lists and maps keep their braces.
func plain(node *yaml.Node) {
	isText := node.Kind == yaml.ScalarNode && node.Tag == "!!str"
	quoted := isText && (!surelyText.MatchString(node.Value) || oldBoolean.MatchString(node.Value))
	empty := node.Kind != yaml.ScalarNode && len(node.Content) == 0
	if !quoted && !empty {
		node.Style = 0
	}
	for _, child := range node.Content {
		plain(child)
	}
}
