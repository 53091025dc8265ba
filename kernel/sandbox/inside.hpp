#pragma once
// The side of the sandbox that gives everything up to run a script: called once, at the start of a process.
//
// The job ends up as an unprivileged user of its own user, mount, process, network, IPC and host-name namespaces, with
// a file tree that holds the host's programs read-only and one folder of its own, with limits, without any way to gain
// a privilege, and without the system calls that a script has no use for. See walls.hpp.

namespace trv::sandbox {

/// What the process that makes the sandbox finds open beside standard input, output and error.
inline constexpr int job_file = 3;     ///< the encoded job
inline constexpr int report_file = 4;  ///< a pipe, whose first line is the report

/// A report is a line of one of these letters and a text: the wait status of the job as digits, or why it could not
/// begin.
inline constexpr char report_ended = 'S';
inline constexpr char report_failed = 'E';

/// Makes the sandbox, runs the job in it, waits for its end and reports. Everything that the job has left running ends
/// with it, and with this process. The exit code says nothing.
[[noreturn]] void run_inside();

}  // namespace trv::sandbox
