package config

import "starkeep/storage"

// Mirror is the profile of a further store that holds copies of restore points. Only workers reach it.
type Mirror struct {
	Location  string `yaml:"location"`
	Bandwidth Size   `yaml:"bandwidth"` // of a worker's reads and writes there, per second; 0: no bound
	S3        S3     `yaml:"s3"`
	GCS       GCS    `yaml:"gcs"`
	HDFS      HDFS   `yaml:"hdfs"`
}

// place is the worker's side of a repository's profile: a mirror has no other.
func (m Mirror) place() Repository {
	return Repository{Location: m.Location, Bandwidth: m.Bandwidth, S3: m.S3, GCS: m.GCS, HDFS: m.HDFS}
}

// Kind is as that of a Repository.
func (m Mirror) Kind() string { return kindOf(m.Location) }

// Store gives what storage.Open needs; keys are read now.
func (m Mirror) Store() (storage.Config, error) { return m.place().Store() }

// Credential says for messages how the worker logs in. It holds no secret.
func (m Mirror) Credential() string { return m.place().Credential() }

func (c *Config) checkMirrors(d *decoder) {
	for _, name := range c.MirrorNames() {
		path := join("mirrors", name)
		checkName(d, path, name)
		if _, double := c.Repositories[name]; double {
			d.fail(path, "a repository has this name too: a spec names both by their profiles, choose another")
		}
		m := c.Mirrors[name]
		m.check(d, path)
		c.Mirrors[name] = m
	}
}

func (m *Mirror) check(d *decoder, path string) {
	if !checkLocation(d, join(path, "location"), m.Location) {
		return
	}
	place := m.place()
	place.checkSections(d, path)
	m.S3.check(d, join(path, "s3"))
	m.GCS.check(d, join(path, "gcs"))
	m.HDFS.check(d, join(path, "hdfs"), m.Location)
}
