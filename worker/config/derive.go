package config

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"starkeep/storage"
)

// Kind is "s3", "gs", "hdfs" or "file": what the worker's own way leads to. It is "" for any other location.
func (r Repository) Kind() string { return kindOf(r.Location) }

func kindOf(location string) string {
	scheme, _, _ := strings.Cut(location, "://")
	switch scheme {
	case "s3", "s3a":
		return kindS3
	case "gs", "hdfs", "file":
		return scheme
	}
	return ""
}

// Store gives what storage.Open needs for the worker's own way to the objects; keys are read now.
func (r Repository) Store() (storage.Config, error) {
	c := storage.Config{Location: r.Location}
	switch r.Kind() {
	case kindS3:
		values, err := read(map[string]Secret{"accessKey": r.S3.AccessKey, "secretKey": r.S3.SecretKey, "sessionToken": r.S3.SessionToken})
		if err != nil {
			return storage.Config{}, fmt.Errorf("s3.%w", err)
		}
		c.S3 = storage.S3{
			Endpoint: r.S3.Endpoint, Region: r.S3.Region, PathStyle: r.S3.PathStyle, CAFile: r.S3.CAFile,
			AccessKey: values["accessKey"], SecretKey: values["secretKey"], SessionToken: values["sessionToken"],
			InstanceProfile: r.S3.InstanceProfile, Role: storage.Role(r.S3.Role),
		}
	case kindGCS:
		values, err := read(map[string]Secret{"accessKey": r.GCS.AccessKey, "secretKey": r.GCS.SecretKey})
		if err != nil {
			return storage.Config{}, fmt.Errorf("gcs.%w", err)
		}
		c.GCS = storage.GCS{
			Endpoint: r.GCS.Endpoint, ServiceAccountFile: r.GCS.ServiceAccountFile, CAFile: r.GCS.CAFile,
			AccessKey: values["accessKey"], SecretKey: values["secretKey"],
		}
	case kindHDFS:
		c.HDFS = storage.HDFS{User: r.HDFS.User, NameNodes: r.HDFS.NameNodes, Kerberos: storage.Kerberos(r.HDFS.Kerberos)}
	}
	return c, nil
}

// Credential says for messages how the worker logs in. It holds no secret.
func (r Repository) Credential() string {
	switch r.Kind() {
	case kindS3:
		return r.S3.credential()
	case kindGCS:
		switch {
		case r.GCS.ServiceAccountFile != "":
			return "service account " + r.GCS.ServiceAccountFile
		case r.GCS.AccessKey.IsSet():
			return "HMAC key"
		}
		return "application default credentials"
	case kindHDFS:
		switch {
		case r.HDFS.Kerberos.Principal != "":
			return "principal " + r.HDFS.Kerberos.Principal
		case r.HDFS.User != "":
			return "user " + r.HDFS.User
		}
		return "user of the worker's process"
	}
	return ""
}

func (s S3) credential() string {
	base := "AWS default chain"
	switch {
	case s.AccessKey.IsSet():
		base = "access key"
	case s.InstanceProfile:
		base = "instance profile"
	}
	if s.Role.ARN == "" {
		return base
	}
	return "role " + s.Role.ARN + ", assumed with the " + base
}

// NativeLocation is the location as StarRocks knows it, what CREATE REPOSITORY says: s3a:// for S3 and GCS, because the
// manual knows no other scheme for them, and hdfs:// and file:// as they are.
func (r Repository) NativeLocation() string {
	location := first(r.StarRocks.Location, r.Location)
	scheme, rest, found := strings.Cut(location, "://")
	if found && (scheme == "s3" || scheme == "gs") {
		return "s3a://" + rest
	}
	return location
}

// NativeProperties are the properties that CREATE REPOSITORY needs, with keys read now: they hold secrets, so they go
// into that statement and nowhere else. The names are those of the manual's page on CREATE REPOSITORY, for each kind;
// starrocks.properties come last and win.
func (r Repository) NativeProperties() (map[string]string, error) {
	var properties map[string]string
	var err error
	switch r.Kind() {
	case kindS3:
		properties, err = r.nativeS3()
	case kindGCS:
		properties, err = r.nativeGCS()
	case kindHDFS:
		properties, err = r.nativeHDFS()
	}
	if err != nil {
		return nil, err
	}
	if properties == nil {
		properties = map[string]string{}
	}
	maps.DeleteFunc(properties, func(_, value string) bool { return value == "" })
	maps.Copy(properties, r.StarRocks.Properties)
	return properties, nil
}

func (r Repository) nativeS3() (map[string]string, error) {
	values, err := r.s3Credentials()
	if err != nil {
		return nil, err
	}
	properties := values
	endpoint := first(r.StarRocks.Endpoint, r.S3.Endpoint)
	properties["aws.s3.endpoint"] = endpoint
	properties["aws.s3.region"] = first(r.StarRocks.Region, r.S3.Region)
	if endpoint != "" {
		properties["aws.s3.enable_ssl"] = strconv.FormatBool(strings.HasPrefix(endpoint, "https:"))
	}
	if r.S3.PathStyle {
		properties["aws.s3.enable_path_style_access"] = "true"
	}
	return properties, nil
}

// s3Credentials are StarRocks' own where it has any, else the worker's kind of them: keys, the instance profile of the
// FEs' and BEs' machines, a role assumed with either. The SDK's default chain is what is left.
func (r Repository) s3Credentials() (map[string]string, error) {
	section, accessKey, secretKey := "s3", r.S3.AccessKey, r.S3.SecretKey
	profile, role := r.S3.InstanceProfile, NativeRole{r.S3.Role.ARN, r.S3.Role.ExternalID}
	if r.StarRocks.hasCredentials() {
		section, accessKey, secretKey = "starrocks", r.StarRocks.AccessKey, r.StarRocks.SecretKey
		profile, role = r.StarRocks.InstanceProfile, r.StarRocks.Role
	}
	values, err := read(map[string]Secret{"accessKey": accessKey, "secretKey": secretKey})
	if err != nil {
		return nil, fmt.Errorf("%s.%w", section, err)
	}
	properties := map[string]string{
		"aws.s3.access_key": values["accessKey"], "aws.s3.secret_key": values["secretKey"],
		"aws.s3.iam_role_arn": role.ARN, "aws.s3.external_id": role.ExternalID,
	}
	switch {
	case accessKey.IsSet():
	case profile, role.ARN != "": // a role is assumed with the instance profile (the manual's page on CREATE REPOSITORY)
		properties["aws.s3.use_instance_profile"] = "true"
	default:
		properties["aws.s3.use_aws_sdk_default_behavior"] = "true"
	}
	return properties, nil
}

// defaultGCSEndpoint is the S3-compatible side of Google Cloud Storage, which StarRocks uses through S3A.
const defaultGCSEndpoint = "storage.googleapis.com"

func (r Repository) nativeGCS() (map[string]string, error) {
	section, accessKey, secretKey := "starrocks", r.StarRocks.AccessKey, r.StarRocks.SecretKey
	if !accessKey.IsSet() {
		section, accessKey, secretKey = "gcs", r.GCS.AccessKey, r.GCS.SecretKey
	}
	values, err := read(map[string]Secret{"accessKey": accessKey, "secretKey": secretKey})
	if err != nil {
		return nil, fmt.Errorf("%s.%w", section, err)
	}
	endpoint := r.StarRocks.Endpoint
	if endpoint == "" && r.GCS.AccessKey.IsSet() { // else it is that of the JSON API
		endpoint = r.GCS.Endpoint
	}
	properties := map[string]string{
		"fs.s3a.access.key": values["accessKey"], "fs.s3a.secret.key": values["secretKey"], "fs.s3a.endpoint": first(endpoint, defaultGCSEndpoint),
	}
	if endpoint != "" {
		properties["fs.s3a.path.style.access"] = "true"
		properties["fs.s3a.connection.ssl.enabled"] = strconv.FormatBool(strings.HasPrefix(endpoint, "https:"))
	}
	return properties, nil
}

// nativeHDFS: HDFS believes the user's name; the password only tells the FE's connections apart (storage-servers §1.6).
func (r Repository) nativeHDFS() (map[string]string, error) {
	password, err := r.StarRocks.Password.Value()
	if err != nil {
		return nil, fmt.Errorf("starrocks.password: %w", err)
	}
	return map[string]string{"username": first(r.StarRocks.User, r.HDFS.User), "password": password}, nil
}
