package activities

import (
	"sync"
	"time"

	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// Activities holds what a worker can reach. Its exported methods are the registered activities.
type Activities struct {
	// Timetable is what the configuration says about schedules and goals.
	Timetable spec.Timetable

	clusters     map[string]*Cluster
	repositories map[string]*Repository
	mirrors      map[string]*Repository
	plans        planCache
	ids          clusterIDs
}

// New makes the activities of a worker that knows these profiles.
func New(clusters []*Cluster, repositories []*Repository, mirrors ...*Mirror) *Activities {
	a := &Activities{clusters: map[string]*Cluster{}, repositories: map[string]*Repository{}, mirrors: map[string]*Repository{}}
	for _, c := range clusters {
		a.clusters[c.Name] = c
	}
	for _, r := range repositories {
		a.repositories[r.Name] = named(*r)
	}
	for _, m := range mirrors {
		a.mirrors[m.Name] = named(*m.held())
	}
	return a
}

// Cluster is a StarRocks cluster as its profile describes it.
type Cluster struct {
	Name   string
	FE     *starrocks.Client
	Timing Timing
	Limits Limits

	// gate lets one BACKUP or RESTORE statement at a time through to the cluster: RESTOREs submitted in the same
	// millisecond spoil each other, and a slow store makes the FE's 10 s submission lock fail (starrocks-measured, 29).
	gate     sync.Mutex
	backends backends
}

// Timing is how long to wait for what; see the configuration sample for each key's meaning and default.
type Timing struct {
	Poll         time.Duration // between two looks at a job
	Heartbeat    time.Duration // Temporal's heartbeat timeout of long activities
	ErrorStall   time.Duration // a task error that does not change for this long is acted upon
	StallWarn    time.Duration // no progress and no error: say so
	StallCancel  time.Duration // no progress and no error: cancel and isolate
	HungJob      time.Duration // JobId -1 that does not move: look for the job that stops the cluster
	Settle       time.Duration // BEs must not have changed for this long before a RESTORE
	HeartbeatAge time.Duration // an Alive BE whose heartbeat is older is not trusted
	LostJob      time.Duration // a row that is gone is believed after this
	SubmitRetry  time.Duration // before a statement that met a busy FE is sent again
	Tick         time.Duration // the FE's own tick; 3 s in StarRocks
}

// Limits are a cluster's defaults for units.
type Limits struct {
	UnitDuration      time.Duration
	MaxTablets        int
	MaxPartitions     int
	ParallelDatabases int
	BytesPerSecond    int64 // what one BACKUP is assumed to move
}

// Repository is a StarRocks repository and the worker's own way to its objects.
type Repository struct {
	Name     string // of the profile
	Native   string // as CREATE REPOSITORY named it
	Location string // as StarRocks knows it
	Kind     Kind   // of the worker's way
	// Credential says in messages how the worker logs in: "access key", "instance profile", "role arn:…". No secret.
	Credential string
	// Properties are those of CREATE REPOSITORY. They hold secrets: they are read when the statement is sent, and kept
	// nowhere. nil: none.
	Properties func() (map[string]string, error)
	Store      storage.Store

	mirror bool // no repository at all: a mirror's place
}

// Kind is what a repository's objects lie in, for messages that name its rights.
type Kind string

// Kinds of repositories.
const (
	KindS3   Kind = "s3"
	KindGCS  Kind = "gs"
	KindHDFS Kind = "hdfs"
	KindFile Kind = "file"
)

// properties reads what CREATE REPOSITORY needs.
func (r *Repository) properties() (map[string]string, error) {
	if r.Properties == nil {
		return nil, nil
	}
	properties, err := r.Properties()
	if err != nil {
		return nil, invalid("repository %s: its credentials for StarRocks cannot be read: %v", r.Name, err)
	}
	return properties, nil
}

func (a *Activities) cluster(name string) (*Cluster, error) {
	if c, ok := a.clusters[name]; ok {
		return c, nil
	}
	return nil, invalid("field %q: no cluster profile is called %q in this worker's configuration; it has %s", "cluster", name, names(a.clusters))
}

func (a *Activities) repository(name string) (*Repository, error) {
	if r, ok := a.repositories[name]; ok {
		return r, nil
	}
	return nil, invalid("field %q: no repository profile is called %q in this worker's configuration; it has %s", "repository", name, names(a.repositories))
}

func (a *Activities) both(cluster, repository string) (*Cluster, *Repository, error) {
	c, err := a.cluster(cluster)
	if err != nil {
		return nil, nil, err
	}
	r, err := a.repository(repository)
	return c, r, err
}
