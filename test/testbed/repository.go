package testbed

import (
	"fmt"
	"strings"
	"testing"

	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/test/starrockssim"
	"starkeep/worker/config"
)

// Repository is a further repository profile of a bed: the two ways to one place, the worker's and StarRocks'.
type Repository struct {
	Name  string            // of the profile; also in StarRocks unless YAML says nativeName
	YAML  string            // the profile's keys, not indented
	Files map[string]string // secrets, by the names under which YAML refers to them: file:<name>
	// Store is the place with all rights, for the test itself.
	Store storage.Config
	// Native is how the simulator reaches the place where it cannot do so by the properties of CREATE REPOSITORY; nil: it can.
	Native func() (storage.Store, error)
	// Secrets must be seen nowhere.
	Secrets []string
}

// profile is the repository's part of the configuration.
func (r Repository) profile() string {
	lines := strings.Split(strings.TrimSpace(r.YAML), "\n")
	return "  " + r.Name + ":\n    " + strings.Join(lines, "\n    ") + "\n"
}

// openNative opens the stores of the bed's repositories for the simulator.
func openNative(list []Repository) func(string, map[string]string) (storage.Store, error) {
	return func(location string, properties map[string]string) (storage.Store, error) {
		for _, r := range list {
			_, rest, _ := strings.Cut(r.Store.Location, "://")
			if r.Native != nil && strings.HasSuffix(location, "://"+rest) {
				return r.Native()
			}
		}
		return starrockssim.OpenStore(location, properties)
	}
}

// CreateRepository creates the repository of a profile in StarRocks, with what the configuration derives for it.
func (b *Bed) CreateRepository(t testing.TB, name string) error {
	t.Helper()
	c, err := config.Load(b.Config)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Repositories[name]
	properties, err := p.NativeProperties()
	if err != nil {
		t.Fatal(err)
	}
	settings, err := c.Clusters[ClusterName].Client()
	if err != nil {
		t.Fatal(err)
	}
	fe, err := starrocks.Open(settings)
	if err != nil {
		t.Fatal(err)
	}
	defer fe.Close()
	return fe.CreateRepository(t.Context(), starrocks.RepositoryStatement{Name: p.NativeName, Location: p.NativeLocation(), Properties: properties})
}

// NewRepository is the profile of a location: the configuration that makes the worker open c, and StarRocks the same. What
// StarRocks does in another way is added to YAML as the section starrocks.
func NewRepository(name string, c storage.Config) Repository {
	r := Repository{Name: name, Store: c, Files: map[string]string{}}
	r.line(0, "location", c.Location)
	switch scheme, _, _ := strings.Cut(c.Location, "://"); scheme {
	case "s3", "s3a":
		r.line(0, "s3", "{}")
		r.line(1, "endpoint", c.S3.Endpoint)
		r.line(1, "region", c.S3.Region)
		r.flag(1, "pathStyle", c.S3.PathStyle)
		r.flag(1, "instanceProfile", c.S3.InstanceProfile)
		r.keys(1, c.S3.AccessKey, c.S3.SecretKey)
		if c.S3.Role.ARN != "" {
			r.line(1, "role", "{}")
			r.line(2, "arn", c.S3.Role.ARN)
			r.line(2, "externalId", c.S3.Role.ExternalID)
			r.line(2, "endpoint", c.S3.Role.Endpoint)
		}
	case "gs":
		r.line(0, "gcs", "{}")
		r.line(1, "endpoint", c.GCS.Endpoint)
		r.line(1, "serviceAccountFile", c.GCS.ServiceAccountFile)
		r.keys(1, c.GCS.AccessKey, c.GCS.SecretKey)
	case "hdfs":
		r.line(0, "hdfs", "{}")
		r.line(1, "user", c.HDFS.User)
		if len(c.HDFS.NameNodes) > 0 {
			r.line(1, "nameNodes", yamlList(c.HDFS.NameNodes))
		}
	}
	return r
}

// line adds a key to the profile; "{}" opens a section, "" is left out.
func (r *Repository) line(depth int, key, value string) {
	switch value {
	case "":
	case "{}":
		r.YAML += strings.Repeat("  ", depth) + key + ":\n"
	default:
		r.YAML += strings.Repeat("  ", depth) + key + ": " + value + "\n"
	}
}

func (r *Repository) flag(depth int, key string, set bool) {
	if set {
		r.line(depth, key, "true")
	}
}

// keys puts a pair of keys into files.
func (r *Repository) keys(depth int, access, secret string) {
	if access == "" {
		return
	}
	for key, value := range map[string]string{"accessKey": access, "secretKey": secret} {
		file := fmt.Sprintf("%s-%s-%d", r.Name, key, len(r.Files))
		r.Files[file] = value
		r.line(depth, key, "file:"+file)
	}
	r.Secrets = append(r.Secrets, secret)
}

// StarRocksKeys gives StarRocks keys of its own.
func (r *Repository) StarRocksKeys(access, secret string) {
	r.line(0, "starrocks", "{}")
	r.keys(1, access, secret)
}
