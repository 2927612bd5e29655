// Package config reads the worker's configuration: one YAML file of profiles of clusters, repositories and mirrors.
//
// Workflow inputs name profiles, so no address and no secret ever gets into a history. docs/starkeep.sample.yaml
// explains every key; unknown keys are refused.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a configuration file, in bytes.
const maxFile = 4 << 20

// Config is a configuration file, checked, with defaults filled in.
type Config struct {
	Temporal     Temporal              `yaml:"temporal"`
	Clusters     map[string]Cluster    `yaml:"clusters"`
	Repositories map[string]Repository `yaml:"repositories"`
	Mirrors      map[string]Mirror     `yaml:"mirrors"`
	Schedules    map[string]Schedule   `yaml:"schedules"`
	Goals        []Goal                `yaml:"goals"`
}

// Temporal is where the Temporal server is. Empty fields leave it to Temporal's own environment (TEMPORAL_ADDRESS and
// friends) and its defaults.
type Temporal struct {
	Address   string `yaml:"address"` // host:port
	Namespace string `yaml:"namespace"`
}

// Cluster is the profile of a StarRocks cluster.
type Cluster struct {
	Addresses        []string          `yaml:"addresses"` // host:port of the FEs' MySQL ports
	User             string            `yaml:"user"`
	Password         Secret            `yaml:"password"` // unset: no password
	Reach            map[string]string `yaml:"reach"`    // "ip:queryPort" as SHOW FRONTENDS says -> host:port to dial
	StatementTimeout time.Duration     `yaml:"statementTimeout"`
	Timing           Timing            `yaml:"timing"`
	Limits           Limits            `yaml:"limits"`
}

// Timing says how long starkeep waits for what (design §6, rules 9, 10 and 12). Only tests and simulators have a
// reason to change Tick.
type Timing struct {
	PollInterval  time.Duration `yaml:"pollInterval"`  // between two looks at a running job
	Heartbeat     time.Duration `yaml:"heartbeat"`     // a worker that is silent for this long is given up
	ErrorStall    time.Duration `yaml:"errorStall"`    // a BE's error that stays the same for this long is acted upon
	StallWarn     time.Duration `yaml:"stallWarn"`     // no progress and no error: say so
	StallCancel   time.Duration `yaml:"stallCancel"`   // no progress and no error: cancel and isolate
	HungJob       time.Duration `yaml:"hungJob"`       // JobId -1: look for the job that stops the whole cluster
	LostJob       time.Duration `yaml:"lostJob"`       // a job that SHOW does not show is believed gone after this
	BackendSettle time.Duration `yaml:"backendSettle"` // no BE may have come or gone for this long before a RESTORE
	HeartbeatAge  time.Duration `yaml:"heartbeatAge"`  // an Alive BE with an older heartbeat is not trusted
	SubmitRetry   time.Duration `yaml:"submitRetry"`   // before a statement that met a busy FE is sent again
	Tick          time.Duration `yaml:"tick"`          // the FE's own pace
}

// Limits bound units and parallelism; a workflow's input may set them for one run.
type Limits struct {
	UnitDuration         time.Duration `yaml:"unitDuration"`
	MaxTabletsPerUnit    int           `yaml:"maxTabletsPerUnit"`
	MaxPartitionsPerUnit int           `yaml:"maxPartitionsPerUnit"` // 0: no bound
	ParallelDatabases    int           `yaml:"parallelDatabases"`
	BytesPerSecond       Size          `yaml:"bytesPerSecond"` // what one statement is assumed to move
}

// Defaults of a cluster profile.
func defaultTiming() Timing {
	return Timing{
		PollInterval:  time.Second,
		Heartbeat:     30 * time.Second,
		ErrorStall:    3 * time.Minute,
		StallWarn:     5 * time.Minute,
		StallCancel:   60 * time.Minute,
		HungJob:       30 * time.Second,
		LostJob:       30 * time.Second,
		BackendSettle: 30 * time.Second,
		HeartbeatAge:  10 * time.Second,
		SubmitRetry:   5 * time.Second,
		Tick:          3 * time.Second,
	}
}

func defaultLimits() Limits {
	return Limits{UnitDuration: 10 * time.Minute, MaxTabletsPerUnit: 20000, ParallelDatabases: 8, BytesPerSecond: 100 << 20}
}

const defaultStatementTimeout = 60 * time.Second

// setDefaults is called before the file's values are put in.
func (c *Cluster) setDefaults() {
	c.StatementTimeout = defaultStatementTimeout
	c.Timing = defaultTiming()
	c.Limits = defaultLimits()
}

// Load reads and checks a configuration file. It touches neither secrets nor networks: a secret is read each time it
// is needed (Secret.Value). The error names every key that is wrong, with its line and what to do.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	c, err := parse(data, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("configuration %s:\n%w", path, err)
	}
	return c, nil
}

// parse reads a configuration; relative file names in it start at dir.
func parse(data []byte, dir string) (*Config, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("the file is larger than %d MiB", maxFile>>20)
	}
	root, err := parseYAML(data)
	if err != nil {
		return nil, err
	}
	d := decoder{dir: dir, lines: map[string]int{}}
	c := &Config{}
	d.value(root, c, "")
	if len(d.errs) == 0 {
		c.check(&d)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// parseYAML gives the one document's root. Its errors hold nothing of the text, which may be a secret.
func parseYAML(data []byte) (*yaml.Node, error) {
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty: see docs/starkeep.sample.yaml")
		}
		return nil, fmt.Errorf("not YAML: %s", withoutQuotes(err.Error()))
	}
	if len(doc.Content) != 1 {
		return nil, errors.New("the file is empty: see docs/starkeep.sample.yaml")
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("the file holds more than one YAML document: leave one")
	}
	return doc.Content[0], nil
}

// ClusterNames lists the cluster profiles, sorted.
func (c *Config) ClusterNames() []string { return slices.Sorted(maps.Keys(c.Clusters)) }

// RepositoryNames lists the repository profiles, sorted.
func (c *Config) RepositoryNames() []string { return slices.Sorted(maps.Keys(c.Repositories)) }

// MirrorNames lists the mirror profiles, sorted.
func (c *Config) MirrorNames() []string { return slices.Sorted(maps.Keys(c.Mirrors)) }
