package restorepoint

// MaxListObjects is how many objects one list holds at most.
const MaxListObjects = 100_000

// Object is one object of a native snapshot: a line of an object list.
type Object struct {
	Key  string `json:"key"`  // below the location
	Size int64  `json:"size"` // bytes
	MD5  string `json:"md5"`  // 32 lower-case hex digits, the ending of StarRocks' object names
}
