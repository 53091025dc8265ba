// Boost.JSON, compiled into each plugin of this repository, so that none needs a Boost library at run time.
#include <boost/json/src.hpp>
