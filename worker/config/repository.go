package config

// Repository is the profile of a StarRocks repository: how the worker reaches its objects, and how StarRocks does. What
// both need is said once; both sides are derived from it.
type Repository struct {
	NativeName string    `yaml:"nativeName"` // in CREATE REPOSITORY; the profile's name if unset
	Location   string    `yaml:"location"`   // s3://bucket/prefix, s3a://…, gs://…, hdfs://…, file:///dir
	Bandwidth  Size      `yaml:"bandwidth"`  // of the worker's own reads and writes, per second; 0: no bound
	S3         S3        `yaml:"s3"`
	GCS        GCS       `yaml:"gcs"`
	HDFS       HDFS      `yaml:"hdfs"`
	StarRocks  StarRocks `yaml:"starrocks"`
}

// S3 is how the worker reaches an S3 location: with keys, as the machine's instance profile, or, with neither, as the
// AWS SDK's default chain finds. Any of them may assume a role.
type S3 struct {
	Endpoint        string `yaml:"endpoint"`
	Region          string `yaml:"region"`
	PathStyle       bool   `yaml:"pathStyle"`
	AccessKey       Secret `yaml:"accessKey"`
	SecretKey       Secret `yaml:"secretKey"`
	SessionToken    Secret `yaml:"sessionToken"`
	InstanceProfile bool   `yaml:"instanceProfile"`
	Role            Role   `yaml:"role"`
	CAFile          string `yaml:"caFile"`
}

// Role is an IAM role that the worker assumes.
type Role struct {
	ARN         string `yaml:"arn"`
	ExternalID  string `yaml:"externalId"`
	SessionName string `yaml:"sessionName"`
	Endpoint    string `yaml:"endpoint"` // of STS
}

// GCS is how the worker reaches a Google Cloud Storage location: with a service account's key file, with an HMAC key, or,
// with neither, with the application default credentials.
type GCS struct {
	Endpoint           string `yaml:"endpoint"`
	ServiceAccountFile string `yaml:"serviceAccountFile"`
	AccessKey          Secret `yaml:"accessKey"`
	SecretKey          Secret `yaml:"secretKey"`
	CAFile             string `yaml:"caFile"`
}

// HDFS is how the worker reaches an HDFS location.
type HDFS struct {
	User      string   `yaml:"user"` // simple authentication: a name, which HDFS believes
	NameNodes []string `yaml:"nameNodes"`
	Kerberos  Kerberos `yaml:"kerberos"`
}

// Kerberos is how the worker logs in to a secured HDFS.
type Kerberos struct {
	Principal        string `yaml:"principal"`
	Keytab           string `yaml:"keytab"`
	Config           string `yaml:"config"`
	ServicePrincipal string `yaml:"servicePrincipal"`
	Protection       string `yaml:"protection"`
}

// StarRocks is how FEs and BEs reach the repository, where that differs from the worker's way. Unset fields are taken
// from the worker's.
type StarRocks struct {
	Location        string            `yaml:"location"`
	Endpoint        string            `yaml:"endpoint"`
	Region          string            `yaml:"region"`
	AccessKey       Secret            `yaml:"accessKey"`
	SecretKey       Secret            `yaml:"secretKey"`
	InstanceProfile bool              `yaml:"instanceProfile"`
	Role            NativeRole        `yaml:"role"`
	User            string            `yaml:"user"`
	Password        Secret            `yaml:"password"`
	Properties      map[string]string `yaml:"properties"` // further properties of CREATE REPOSITORY; no secrets
}

// NativeRole is an IAM role that FEs and BEs assume.
type NativeRole struct {
	ARN        string `yaml:"arn"`
	ExternalID string `yaml:"externalId"`
}

// The kinds of locations, by the scheme of a profile's location.
const (
	kindS3   = "s3"
	kindGCS  = "gs"
	kindHDFS = "hdfs"
	kindFile = "file"
)

// hasCredentials tells whether StarRocks has S3 credentials of its own.
func (s StarRocks) hasCredentials() bool {
	return s.AccessKey.IsSet() || s.InstanceProfile || s.Role.ARN != ""
}
