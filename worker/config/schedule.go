package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // time zones of schedules, whatever the machine has

	"go.yaml.in/yaml/v3"

	"starkeep/workflows/spec"
)

// Schedule is a time table entry: when, and exactly one workflow with its input.
type Schedule struct {
	Cron     string `yaml:"cron"`
	TimeZone string `yaml:"timeZone"`
	Jitter   Span   `yaml:"jitter"`
	Backup   Input  `yaml:"backup"`
	Verify   Input  `yaml:"verify"`
	Prune    Input  `yaml:"prune"`
	Copy     Input  `yaml:"copy"`
	Drill    Input  `yaml:"drill"`
}

// Input is the input of a workflow, as the JSON that the workflow takes; nil where there is none.
type Input []byte

// MarshalYAML writes the input as it is written in a configuration.
func (i Input) MarshalYAML() (value any, err error) {
	if i == nil {
		return nil, nil
	}
	return value, json.Unmarshal(i, &value)
}

// Span is a duration that may be left out: 0.
type Span time.Duration

// MarshalYAML writes the span as it is written in a configuration.
func (s Span) MarshalYAML() (any, error) {
	if s == 0 {
		return nil, nil
	}
	return time.Duration(s).String(), nil
}

// Goal says how old the newest restore points of databases may get.
type Goal struct {
	Cluster   string   `yaml:"cluster"`
	Databases []string `yaml:"databases"`
	Backup    Span     `yaml:"backup"`
	Verify    Span     `yaml:"verify"`
	Drill     Span     `yaml:"drill"`
}

// ScheduleNames lists the schedules, sorted.
func (c *Config) ScheduleNames() []string { return slices.Sorted(maps.Keys(c.Schedules)) }

// Timetable is what the configuration says about schedules and goals, in the words of workflows.
func (c *Config) Timetable() spec.Timetable {
	var t spec.Timetable
	for _, name := range c.ScheduleNames() {
		t.Schedules = append(t.Schedules, c.Schedules[name].spec(name))
	}
	for _, g := range c.Goals {
		t.Goals = append(t.Goals, g.spec())
	}
	return t
}

func (s Schedule) inputs() map[string]Input {
	return map[string]Input{"backup": s.Backup, "verify": s.Verify, "prune": s.Prune, "copy": s.Copy, "drill": s.Drill}
}

// spec is the schedule of the one input that it has.
func (s Schedule) spec(name string) spec.Schedule {
	out := spec.Schedule{Name: name, Cron: s.Cron, TimeZone: s.TimeZone, Jitter: spec.Duration(s.Jitter)}
	for _, w := range spec.ScheduledWorkflows() {
		if in := s.inputs()[w.Key]; in != nil {
			out.Workflow, out.Input = w.Workflow, json.RawMessage(in)
		}
	}
	return out
}

func (g Goal) spec() spec.Goal {
	return spec.Goal{Cluster: g.Cluster, Databases: g.Databases, Backup: spec.Duration(g.Backup), Verify: spec.Duration(g.Verify), Drill: spec.Duration(g.Drill)}
}

func (c *Config) checkSchedules(d *decoder) {
	for _, name := range c.ScheduleNames() {
		c.checkSchedule(d, join("schedules", name), name)
	}
	for i, g := range c.Goals {
		path := fmt.Sprintf("goals[%d]", i)
		if err := g.spec().Validate(); err != nil {
			d.fail(path, "%w", err)
		} else if _, ok := c.Clusters[g.Cluster]; !ok {
			d.fail(path+".cluster", "no cluster profile has this name: use one of %s", strings.Join(c.ClusterNames(), ", "))
		}
	}
}

func (c *Config) checkSchedule(d *decoder, path, name string) {
	s := c.Schedules[name]
	var keys []string
	given := 0
	for _, w := range spec.ScheduledWorkflows() {
		keys = append(keys, w.Key)
		if s.inputs()[w.Key] != nil {
			given++
		}
	}
	if given != 1 {
		d.fail(path, "has %d of the keys %s: give exactly one, with that workflow's input below it", given, strings.Join(keys, ", "))
		return
	}
	out := s.spec(name)
	if err := out.Validate(); err != nil {
		d.fail(path, "%w", err)
		return
	}
	p := out.Profiles()
	if _, ok := c.Clusters[p.Cluster]; !ok {
		d.fail(path, "no cluster profile is called %q: use one of %s", p.Cluster, strings.Join(c.ClusterNames(), ", "))
	}
	if _, ok := c.Repositories[p.Repository]; !ok && p.Repository != "" {
		d.fail(path, "no repository profile is called %q: use one of %s", p.Repository, strings.Join(c.RepositoryNames(), ", "))
	}
	for _, place := range append([]string{p.Where, p.From, p.To}, p.Mirrors...) {
		_, repository := c.Repositories[place]
		_, mirror := c.Mirrors[place]
		if place != "" && !repository && !mirror {
			d.fail(path, "no repository or mirror profile is called %q: use one of %s", place, strings.Join(append(c.RepositoryNames(), c.MirrorNames()...), ", "))
		}
	}
}

// input takes a workflow's input as it stands; the schedule's check says what is wrong with it.
func (d *decoder) input(n *yaml.Node, to *Input, path string) {
	if n.Kind != yaml.MappingNode {
		d.fail(path, "want the workflow's input as keys with values below it")
		return
	}
	value := d.plainValue(n, path)
	data, err := json.Marshal(value)
	if err != nil {
		d.fail(path, "cannot be written as JSON")
		return
	}
	*to = data
}

// plainValue gives a node as JSON knows it. What YAML takes for a date is a text.
func (d *decoder) plainValue(n *yaml.Node, path string) any {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.fail(path, "YAML anchors and aliases are not supported: write the value out")
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		d.pairs(n, path, func(key, value *yaml.Node) {
			keyPath := join(path, key.Value)
			d.lines[keyPath] = key.Line
			object[key.Value] = d.plainValue(value, keyPath)
		})
		return object
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = d.plainValue(item, fmt.Sprintf("%s[%d]", path, i))
		}
		return list
	}
	return plainScalar(n)
}

func plainScalar(n *yaml.Node) any {
	var number int64
	var yes bool
	switch {
	case n.Tag == "!!null":
		return nil
	case n.Tag == "!!int" && n.Decode(&number) == nil:
		return number
	case n.Tag == "!!bool" && n.Decode(&yes) == nil:
		return yes
	}
	return n.Value
}
