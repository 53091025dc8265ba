package events

import "fmt"

// DamagedLogError says that the bytes of the log, or their order, are not what docs/formats/record.md allows. A reader
// stops there.
type DamagedLogError struct{ Message string }

func (e *DamagedLogError) Error() string { return e.Message }

// damage leaves the code that reads bytes, up to the function that defers catch.
func damage(format string, arguments ...any) {
	panic(&DamagedLogError{fmt.Sprintf(format, arguments...)})
}

// catch is deferred: damage becomes the error that the function returns.
func catch(err *error) {
	switch found := recover().(type) {
	case nil:
	case *DamagedLogError:
		*err = found
	default:
		panic(found)
	}
}

// TenantMovedError says that the tenant left the shard of the position that the reader began from. Its later events are in
// another shard.
type TenantMovedError struct{ Message string }

func (e *TenantMovedError) Error() string { return e.Message }
